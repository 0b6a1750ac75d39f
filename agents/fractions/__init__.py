"""Parts of GPUs made real, and GPUs divided anew.

fractions ──► whole, timeslice, mps, mig            a slice at every start: one file a mechanism (mechanism)
layouts ──► changes ──► repartition ──► migwork     MIG: what is asked, what is under way, one change, its calls
               │  journal: on the disk before anything is done
               └► holds, tenants: who has to go meanwhile, and comes back
"""
