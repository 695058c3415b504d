//! What passed through a gateway, read at one moment.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use pluvio_model::route::{ApplicationKey, BackendId, RouteId};
use serde::Serialize;

use crate::{
    gateway::Gateway,
    inner::InnerClient,
    metrics::{HOUR, MINUTE, Reading, Traffic},
};

/// What passed through the gateway, read at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct MetricsSnapshot {
    /// Client connections open now.
    pub connections: usize,
    /// Connections closed at once because too many were open.
    pub connections_refused: u64,
    /// Requests refused before they were understood (400, 414, 431), which appear in no access log.
    pub malformed: u64,
    /// Requests that no route takes.
    pub unrouted: Option<Traffic>,
    /// Access-log lines lost because the disk did not keep up.
    pub log_lines_lost: u64,
    /// Routes that had a request since the gateway started.
    pub routes: Vec<RouteTraffic>,
    /// What instances of applications asked of other applications at the front door.
    pub callers: Vec<CallerTraffic>,
    /// Backends that had a request since the gateway started.
    pub backends: Vec<BackendTraffic>,
}

#[derive(Debug, Clone, Serialize)]
pub struct RouteTraffic {
    pub application: ApplicationKey,
    pub route: RouteId,
    #[serde(flatten)]
    pub traffic: Traffic,
}

/// An instance's component at the front door of another application, or of its own.
#[derive(Debug, Clone, Serialize)]
pub struct CallerTraffic {
    pub caller: InnerClient,
    /// Whose route it asked.
    pub application: ApplicationKey,
    #[serde(flatten)]
    pub traffic: Traffic,
}

#[derive(Debug, Clone, Serialize)]
pub struct BackendTraffic {
    pub backend: BackendId,
    #[serde(flatten)]
    pub traffic: Traffic,
}

impl Gateway {
    pub fn metrics(&self) -> MetricsSnapshot {
        self.metrics_over(MINUTE)
    }

    /// The same with rates and percentiles over another window: from the last minute to the last hour.
    pub fn metrics_over(&self, window: Duration) -> MetricsSnapshot {
        let reading = Reading {
            started: self.shared.started,
            now: Instant::now(),
            window: window.clamp(MINUTE, HOUR),
        };
        let registry = self.shared.registry();
        let mut routes: Vec<RouteTraffic> = registry
            .routes
            .iter()
            .filter_map(|((application, route), series)| {
                Some(RouteTraffic {
                    application: application.clone(),
                    route: route.clone(),
                    traffic: reading.of(series)?,
                })
            })
            .collect();
        let mut backends: Vec<BackendTraffic> = registry
            .backends
            .values()
            .filter_map(|backend| {
                Some(BackendTraffic {
                    backend: backend.id.clone(),
                    traffic: reading.of(&backend.series)?,
                })
            })
            .collect();
        let mut callers: Vec<CallerTraffic> = registry
            .callers
            .iter()
            .filter_map(|((caller, application), series)| {
                Some(CallerTraffic {
                    caller: caller.clone(),
                    application: application.clone(),
                    traffic: reading.of(series)?,
                })
            })
            .collect();
        drop(registry);
        callers.sort_by(|a, b| (&a.caller, &a.application).cmp(&(&b.caller, &b.application)));
        routes.sort_by(|a, b| (&a.application, &a.route).cmp(&(&b.application, &b.route)));
        backends.sort_by(|a, b| a.backend.cmp(&b.backend));
        MetricsSnapshot {
            connections: self.shared.open.load(Ordering::Relaxed),
            connections_refused: self.shared.refused.load(Ordering::Relaxed),
            malformed: self.shared.malformed.load(Ordering::Relaxed),
            unrouted: reading.of(&self.shared.unrouted),
            log_lines_lost: self.shared.log.lost(),
            routes,
            callers,
            backends,
        }
    }
}
