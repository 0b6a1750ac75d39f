"""Who may change what: peers, roles, leases, answers given once, and the audit."""
