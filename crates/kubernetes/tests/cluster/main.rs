//! On a real cluster: `scripts/kubernetes start`, whose kubeconfig PLUVIO_TEST_KUBERNETES names.

mod accounts;
mod bad_input;
mod checks;
mod conformance;
mod cut_off;
mod faults;
mod gateway;
mod http_routes;
mod namespaces;
mod objects;
mod overview;
mod own;
mod placement;
mod policies;
mod restricted;
mod scaling;
mod scene;
mod shop;
mod traffic;
mod volumes;
