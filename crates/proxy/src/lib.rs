//! The data plane: what stands between clients and instances.
//!
//! A [`Gateway`] is a library of the node. It is given two things, which change independently: routes (decided, a
//! [`RouteTable`](pluvio_model::route::RouteTable)) and endpoints (observed, [`Endpoints`](pluvio_model::route::Endpoints)).
//! Keeping both on disk, watching runtimes and stopping instances is the node's part; this crate forwards, counts, and tells
//! when an instance may be stopped.
//!
//! Start with [`Gateway`], then follow a request: `worker` accepts a connection and hands it to hyper, `forward` takes each
//! request through `table` (host, path, weight), `backend` (which endpoint; holding), `offers` (who is asked next where nobody accepts),
//! `h1` or `h2` (there and back), `body` (the answer, then log and metrics). `gate` is why a swap of endpoints loses no request.
//! `inner` is the same between the components of an application.
//!
//! Rules: no SQL, no runtime, no files but the access log. Nothing that a client is sent names an address or an instance.
//! Requests allocate little and never wait for another thread: each worker has its own connections, pools and log buffer.
//!
//! Deliberately absent, with room left: TLS (a client's stream is `client::Watched`; large bodies must be copied then), TCP and UDP listeners in front,
//! filters and header predicates (`table::Node` holds one route where it will hold a list).

mod access_log;
mod backend;
mod body;
mod client;
mod config;
mod forward;
mod gate;
mod gateway;
mod h1;
mod h2;
mod inner;
mod metrics;
mod moving;
mod near;
mod offers;
mod outgoing;
mod pass;
mod refusal;
mod snapshot;
mod speech;
mod table;
mod tunnel;
mod upstream;
mod worker;

pub use config::{AccessLog, ClientLimits, GatewayConfig, InvalidNetwork, Network};
pub use gateway::{Drain, Gateway, GatewayError, ShutdownReport};
pub use inner::{InnerClient, InnerClients, InnerListener, InnerProtocol, edge_in, edge_of};
pub use metrics::{Lately, Totals, Traffic};
pub use refusal::Refusal;
pub use snapshot::{BackendTraffic, CallerTraffic, MetricsSnapshot, RouteTraffic};
pub use table::Conflict;
