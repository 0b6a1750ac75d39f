"""What is against what should be, as steps with their numbers; each verb is a plan. Pure."""
