"""Kubernetes from a chapter: clients of the control plane, and a node whose pods are real processes."""

__all__: list[str] = []
