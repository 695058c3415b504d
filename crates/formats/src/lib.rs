//! Text to and from the application model: `app.yaml` and `.env` (compose, charts and packages join them here).
//!
//! Pure: text in, values and [`Problem`](pluvio_model::problem::Problem)s out; no I/O, no async. May depend on `model` only.
//! Every reader tells what it did with each part of its input in [`report::Row`]s; nothing is dropped in silence.
//!
//! Start with [`app::read`], then [`validate()`], which checks what the shape alone cannot say, and [`app::write`].
//! [`yaml`] is the positioned tree that every YAML format rests on; [`dotenv`] reads `.env` files; [`schema`] is the JSON
//! Schema of `app.yaml`.

pub mod app;
pub mod caprover;
pub mod compose;
pub mod docker_run;
pub mod dokploy;
pub mod dotenv;
pub mod heroku;
pub mod report;
pub mod schema;
mod suggest;
pub mod validate;
pub mod yaml;

pub use validate::validate;
