//! Podman and Docker: the Docker Engine API over a Unix socket.
//!
//! - [`find_engine`] looks where engines listen and says what it found at each place; [`Engine`] is the one that answers.
//! - [`Engine`] has the API's verbs: containers, networks, volumes, images, files, commands, builds. The differences between
//!   Docker and Podman end here, so nothing above asks which one it is.
//! - [`DockerDriver`] is the engine as a node sees it ([`pluvio_runtime::driver::Driver`]): only what one installation made.
//!
//! The client is a small one of our own over hyper: bodies come from `plan` ready to post (a user's `patch` included, which
//! typed bindings would drop), answers are read leniently (Podman knows states that Docker does not), and a build's stream
//! is read as it comes. May depend on `model`, `plan` and `runtime`; knows nothing of applications.

mod archive;
mod build_session;
mod build_ssh;
mod connection;
mod container;
mod driver;
mod error;
mod exec;
mod find;
mod image;
mod image_build;
mod logs;
mod network;
mod placed;
mod pull;
mod seen;
mod stream;

pub use archive::TarEntry;
pub use connection::{Body, Engine, body_of_file, body_of_reader};
pub use container::{ExecCommand, ListedContainer};
pub use driver::DockerDriver;
pub use exec::{CommandEnd, CommandLine};
pub use find::{Candidate, Verdict, find_engine, probe_engines};
pub use image::ListedImage;
pub use image_build::{BuildEvent, BuildSecret, EngineBuild};
pub use pull::{RegistryCredential, pull_problem};
