//! Tests over the whole product: the rules of the code base (`tests/tidy.rs`), and scenarios that drive the real binary
//! over a real Docker and a real Podman (the other files in `tests/`).
//!
//! Start with [`Pluvio`]: one installation of a test's own. [`both_engines!`] makes a test of a scenario for each engine;
//! [`load`] counts what fails under load; [`wait`] waits for conditions. Nothing here uses Pluvio's own crates: what a
//! scenario sees is what a user, the engine or a strict HTTP client sees.
//!
//! A scenario's name begins with the statement that it shows (`d1_…`, `u3_…`), as the acceptance criteria number them.

pub mod app;
pub mod cluster;
pub mod engine;
pub mod faults;
pub mod hosts;
pub mod http;
pub mod image;
pub mod known;
pub mod load;
pub mod machine;
pub mod place;
pub mod pluvio;
pub mod slot;
pub mod wait;

pub use engine::Engine;
pub use pluvio::{Answer, Pluvio};

/// Makes `docker::NAME` and `podman::NAME` of each scenario, a function that takes an [`Engine`].
#[macro_export]
macro_rules! both_engines {
    ($($name:ident),* $(,)?) => {
        $crate::engines!(both: [$($name),*], docker: [], podman: []);
    };
}

/// The same where engines differ only in some: the others run on one of them, for what they show is not the engine's.
#[macro_export]
macro_rules! engines {
    (both: [$($both:ident),* $(,)?], docker: [$($docker:ident),* $(,)?], podman: [$($podman:ident),* $(,)?] $(,)?) => {
        mod docker {
            $(#[test] fn $both() { super::$both($crate::Engine::docker()); })*
            $(#[test] fn $docker() { super::$docker($crate::Engine::docker()); })*
        }
        mod podman {
            $(#[test] fn $both() { super::$both($crate::Engine::podman()); })*
            $(#[test] fn $podman() { super::$podman($crate::Engine::podman()); })*
        }
    };
}
