//! On a real cluster: `scripts/kubernetes start`, whose kubeconfig PLUVIO_TEST_KUBERNETES names.

mod conformance;
mod scene;
