//! The registry over real HTTP, asked by real clients: our own requests, the specification's conformance suite, Docker, Podman.

mod adversity;
mod cluster;
mod conformance;
mod engines;
mod protocol;
mod scene;
