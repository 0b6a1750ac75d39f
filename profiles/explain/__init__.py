"""The verdict: what hurts an instance or a GPU, since when, by what numbers, and what was ruled out. Pure.

Evidence ──hurt──► Hurt         since when, and what of it
   │                  │
   └──── causes.* ────┴──► Cause | Cleared     a rule a file, none knows another
                                └──rank──► Verdict
"""
