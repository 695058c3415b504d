//! Kubernetes as a runtime: stages become objects by server-side apply, what runs is read from caches that watches feed.
//!
//! Start at [`KubernetesRuntime`]. A stage is kept in the cluster itself ([`book`]), so that whoever comes after a crash goes on
//! where it ended; one loop for each application ([`worker`]) applies what [`pluvio_plan::lower::kubernetes`] makes of it, prunes
//! by inventory and heals drift; [`observe`] says what is there, from [`cache`] alone.
//!
//! [`gateway`] is the other side: what Pluvio's gateway inside a cluster is told, and how it gets there.
//!
//! May use the Kubernetes client, which nothing else may. Never touches what it did not make.

pub mod account;
mod again;
mod apply;
mod book;
mod cache;
pub mod check;
mod connect;
mod connector;
mod deletion;
mod dns;
mod events;
mod exec;
mod expiry;
mod failure;
pub mod gateway;
mod hands;
mod hosts;
mod instances;
mod kubeconfig;
mod last_words;
mod logs;
mod meetings;
mod objects;
mod observe;
mod obstacle;
mod overview;
mod parts;
mod patience;
mod permissions;
mod pull;
mod reach;
mod refusal;
mod remove;
mod requests;
mod resources;
mod routes;
mod runs;
mod runtime;
mod scaling;
mod scheduler;
mod survey;
mod usage;
mod view;
mod volumes;
mod worker;

pub use connect::{Connection, Credential};
pub use connector::Clusters;
pub use remove::remove;
pub use runtime::{Config, KubernetesRuntime};

/// Who owns the fields that Pluvio writes.
const MANAGER: &str = "pluvio";
