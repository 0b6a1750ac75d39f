"""Gateways: which replicas each one sends requests to, over HAProxy's runtime socket."""
