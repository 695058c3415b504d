//! The API as values: wire types and the typed client.
//!
//! The server's handlers and the command line share these types, and the OpenAPI document is generated from them, so that
//! neither can drift from the other. Things that the model already says well (operations, instances, problems) appear on the
//! wire as they are; everything that exists only for a page or a command is here. No axum here, and no decisions.
//!
//! Start with [`applications`], then [`client`].

/// `Debug` with these fields only.
macro_rules! masked {
    ($type:ident { $($shown:ident),* }) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
                let mut shown = out.debug_struct(stringify!($type));
                $(shown.field(stringify!($shown), &self.$shown);)*
                shown.finish_non_exhaustive()
            }
        }
    };
}

pub mod applications;
pub mod audit;
pub mod client;
pub mod clusters;
pub mod databases;
pub mod editing;
pub mod environments;
pub mod identity;
pub mod images;
pub mod plans;
pub mod platform;
pub mod releases;
pub mod tls;
pub mod topology;
pub mod volumes;
pub mod workloads;
