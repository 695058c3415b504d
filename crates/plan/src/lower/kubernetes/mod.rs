//! A stage as Kubernetes objects.
