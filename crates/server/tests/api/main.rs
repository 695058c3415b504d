//! The API as its callers meet it: a real router over a real store, with a node and an engine that only answer.

mod access;
mod audit;
mod instances;
mod list;
mod node;
mod passkeys;
mod requests;
mod scene;
mod sessions;
mod streams;
mod topology;
mod workloads;
