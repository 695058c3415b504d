//! Who talks to whom: the graph of an application, and of the applications of an environment.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::applications::{PortDetail, Status};

/// The id of the gateway among nodes. No component's or application's name has such a sign.
pub const GATEWAY: &str = "@gateway";
/// Whoever asks from an address that belongs to no instance.
pub const ELSEWHERE: &str = "@elsewhere";

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Topology {
    /// Over how many seconds rates and percentiles are.
    pub window_seconds: u64,
    /// How old what is seen is, in milliseconds; `None` when the node does not answer: then traffic is not known.
    pub seen_ms_ago: Option<u64>,
    pub nodes: Vec<TopologyNode>,
    pub edges: Vec<TopologyEdge>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TopologyNode {
    /// A component's name; an application's, in the graph of an environment or as `@app.NAME` beside components, and
    /// `ENVIRONMENT/NAME` in the graph of a team; `@gateway`; `@elsewhere`.
    pub id: String,
    pub name: String,
    /// Of an application in the graph of a team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// A component's kind, or `gateway`, `application`, `elsewhere`.
    pub kind: String,
    pub status: Status,
    /// `1 of 2 ready`; empty when there is nothing to say.
    pub status_note: String,
    pub instances_ready: u32,
    pub instances_wanted: u32,
    /// Thousandths of a core, all instances.
    pub cpu_millis: Option<u64>,
    pub memory_bytes: Option<u64>,
    /// What runs: an image, `postgres@17`, an address outside.
    pub what: String,
    pub ports: Vec<PortDetail>,
    /// Hosts that lead to it.
    pub hosts: Vec<String>,
    /// When its schedule fires next.
    pub next_run_at: Option<jiff::Timestamp>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TopologyEdge {
    pub from: String,
    pub to: String,
    /// `uses`, or a route; otherwise it was only observed.
    pub declared: bool,
    /// Prefix of the injected exports (`as`).
    pub prefix: Option<String>,
    /// What passed, by port; empty when nothing did since the gateway started.
    pub traffic: Vec<EdgeTraffic>,
}

/// What passes to one port, or by one route.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EdgeTraffic {
    /// The port's name.
    pub port: String,
    /// `http`, `http2`, `tcp`
    pub protocol: String,
    /// Host and path, from the gateway.
    pub route: Option<String>,
    /// Requests per second; of TCP, connections that ended.
    pub requests_per_second: f64,
    /// Answers with status 5xx; of TCP, connections that no instance took.
    pub errors_per_second: f64,
    /// Answers with status 4xx.
    pub client_errors_per_second: f64,
    /// Until the answer's head; of TCP nothing is known of answers.
    pub p50_ms: Option<f64>,
    pub p95_ms: Option<f64>,
    /// Bytes towards the component.
    pub received_per_second: f64,
    /// Bytes back.
    pub sent_per_second: f64,
    /// Requests in flight, or connections that are open.
    pub open: u64,
}
