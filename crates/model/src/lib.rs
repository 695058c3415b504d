//! The application as a value.
//!
//! Everything Pluvio knows about an application is one of the types here: what was asked ([`spec::AppSpec`] in a
//! [`revision::Revision`]), what was decided ([`release::Release`]), what a runtime is told ([`stage::Stage`]), what it can
//! do ([`facts::Facts`]) and what is seen ([`observed::Observed`]). The crate holds no I/O and no async, and reads no clock but for those
//! who ask [`clock`]; it may depend on serialisation and parsing crates only, and every other crate may depend on it.
//!
//! Start with [`spec`], then [`release`], then [`stage`]. Values that come from people are newtypes that only parsing
//! builds ([`name::Name`], [`quantity::Cpu`], [`image::ImageReference`] …), so code behind them need not validate.

pub mod accounts;
pub mod clock;
pub mod cluster;
pub mod database;
pub mod event;
pub mod facts;
pub mod files;
pub mod id;
pub mod image;
pub mod interpolate;
pub mod name;
pub mod objects;
pub mod observed;
pub mod operation;
pub mod permission;
pub mod place;
pub mod problem;
pub mod quantity;
pub mod release;
pub mod revision;
pub mod route;
pub mod spec;
pub mod stage;
pub mod template;
mod text;

pub use text::WRITTEN;
