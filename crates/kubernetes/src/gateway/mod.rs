//! Pluvio's own gateway inside a cluster: what a gateway process is fed with ([`follow`]), and how it gets there ([`install`],
//! [`remove`], and [`archive`], which makes its image).
//!
//! Nothing here forwards a request: the process joins what this module tells to `pluvio-proxy`.

mod feed;
mod image;
mod install;
mod picture;
mod state;

pub use feed::{Feed, Source, follow};
pub use image::{Archived, archive};
pub use install::{Exposure, Installation, install, remove};
pub use picture::Picture;
pub use state::{State, state};
