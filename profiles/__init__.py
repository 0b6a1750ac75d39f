"""What should be and what is, as types, and the pure decisions between them.

    text → latency → desired → observed → gpu → files → placing → plans → revisions → money → watching
                                   └──────► explain, tuning

A room imports only from those before it.
"""
