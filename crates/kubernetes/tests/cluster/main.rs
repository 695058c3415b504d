//! On a real cluster: `scripts/kubernetes start`, whose kubeconfig PLUVIO_TEST_KUBERNETES names.

mod accounts;
mod checks;
mod conformance;
mod cut_off;
mod gateway;
mod http_routes;
mod overview;
mod own;
mod scaling;
mod scene;
mod shop;
mod traffic;
mod volumes;
