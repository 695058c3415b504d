//! The API as values: wire types and the typed client.
//!
//! The server's handlers and the command line share these types, and the OpenAPI document is generated from them, so that
//! neither can drift from the other. Things that the model already says well (operations, instances, problems) appear on the
//! wire as they are; everything that exists only for a page or a command is here. No axum here, and no decisions.
//!
//! Start with [`applications`], then [`client`].

pub mod applications;
pub mod client;
pub mod identity;
pub mod platform;
pub mod releases;
