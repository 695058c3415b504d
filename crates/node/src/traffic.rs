//! The gateway as the node feeds it: routes from stages, endpoints from what runs.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pluvio_model::id::{ApplicationId, Generation};
use pluvio_model::name::Name;
use pluvio_model::route::{
    ApplicationKey, BackendId, BackendPart, BackendState, Endpoint, FragmentOutcome, InstanceKey,
    Route, RouteFragment, RouteTable,
};
use pluvio_proxy::{Conflict, Drain, Gateway, InnerClients, InnerListener};

use crate::wire::{CallerMetrics, Metrics, RouteMetrics};

/// Routes and endpoints change at different times; both take effect before the call that sets them returns.
#[derive(Debug)]
pub(crate) struct Traffic {
    gateway: Gateway,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    routes: RouteTable,
    backends: BTreeMap<BackendId, BackendState>,
    /// Told of already.
    conflicts: Vec<Conflict>,
}

impl Traffic {
    pub(crate) fn new(gateway: Gateway) -> Arc<Traffic> {
        Arc::new(Traffic {
            gateway,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.gateway.addresses().to_vec()
    }

    fn compile(&self, state: &mut State) {
        let conflicts = self.gateway.set_routes(&state.routes);
        for conflict in conflicts
            .iter()
            .filter(|one| !state.conflicts.contains(one))
        {
            tracing::warn!(?conflict, "two routes claim the same host and path");
        }
        state.conflicts = conflicts;
    }

    /// Accepts nothing new, lets requests finish for so long.
    pub(crate) async fn shutdown(&self, grace: Duration) {
        let report = self.gateway.shutdown(grace).await;
        tracing::info!(cut = report.cut, "the gateway ended");
    }

    /// Puts applications' routes in place of their former ones.
    pub(crate) fn set_routes(&self, fragments: Vec<(ApplicationId, Generation, Vec<Route>)>) {
        let mut state = self.state();
        let mut changed = false;
        for (application, generation, routes) in fragments {
            let fragment = RouteFragment {
                application: application.into(),
                generation,
                routes,
            };
            changed |= state.routes.offer(fragment) == FragmentOutcome::Taken;
        }
        if changed {
            self.compile(&mut state);
        }
    }

    /// The application is gone: its routes and backends too.
    pub(crate) fn remove(&self, application: ApplicationId) {
        let key = ApplicationKey::from(application);
        let mut state = self.state();
        if state.routes.remove(&key) {
            self.compile(&mut state);
        }
        state.backends.retain(|id, _| {
            let of = *id.application() == key;
            if of {
                self.gateway.set_backend(id, &BackendState::Absent);
            }
            !of
        });
    }

    /// Listens at exactly these inner addresses; tells those that could not be listened at.
    pub(crate) fn set_inner(
        &self,
        listeners: Vec<InnerListener>,
        clients: InnerClients,
    ) -> Vec<(SocketAddr, std::io::Error)> {
        self.gateway.set_inner_clients(clients);
        self.gateway.set_inner(listeners)
    }

    /// Sets what is seen of a component's ports: exactly these, no others.
    pub(crate) fn set_component(
        &self,
        application: ApplicationId,
        component: &Name,
        ports: BTreeMap<Name, BackendState>,
    ) {
        let (key, part) = (
            ApplicationKey::from(application),
            BackendPart::from(component),
        );
        let wanted: BTreeMap<BackendId, BackendState> = ports
            .into_iter()
            .map(|(port, state)| {
                let id = BackendId::new(key.clone(), part.clone(), BackendPart::from(&port));
                (id, state)
            })
            .collect();
        let mut state = self.state();
        state.backends.retain(|id, _| {
            let superfluous =
                *id.application() == key && *id.component() == part && !wanted.contains_key(id);
            if superfluous {
                self.gateway.set_backend(id, &BackendState::Absent);
            }
            !superfluous
        });
        for (id, backend) in wanted {
            if state.backends.get(&id) != Some(&backend) {
                self.gateway.set_backend(&id, &backend);
                state.backends.insert(id, backend);
            }
        }
    }

    pub(crate) fn in_flight(&self, instance: &str) -> u64 {
        instance
            .parse::<InstanceKey>()
            .map_or(0, |key| self.gateway.in_flight(&key))
    }

    /// Of every instance that has any.
    pub(crate) fn in_flight_of_all(&self) -> HashMap<InstanceKey, u64> {
        self.gateway.in_flight_of_all()
    }

    /// Waits until an instance that left the endpoints has nothing in flight, or the time is over.
    pub(crate) async fn drained(&self, instance: &str, within: Duration) {
        if let Ok(key) = instance.parse::<InstanceKey>() {
            let drain = self.gateway.drained(&key, within).await;
            if let Drain::TimedOut { in_flight } = drain {
                tracing::info!(
                    instance,
                    in_flight,
                    "requests are cut: the time to finish them is over"
                );
            }
        }
    }

    /// Rates and percentiles over `window`.
    pub(crate) fn metrics(&self, window: Duration) -> Metrics {
        let snapshot = self.gateway.metrics_over(window);
        let routes = snapshot.routes.into_iter().filter_map(|route| {
            let application = route.application.as_str().parse().ok()?;
            Some(metrics_of(
                application,
                route.route.to_string(),
                &route.traffic,
            ))
        });
        let callers = snapshot.callers.into_iter().filter_map(|asked| {
            let application = asked.application.as_str().parse().ok()?;
            Some(CallerMetrics {
                caller: asked.caller.application.as_str().parse().ok()?,
                component: asked.caller.component.parse().ok()?,
                traffic: metrics_of(application, String::new(), &asked.traffic),
            })
        });
        Metrics {
            connections: snapshot.connections as u64,
            routes: routes.collect(),
            callers: callers.collect(),
        }
    }
}

fn metrics_of(
    application: ApplicationId,
    route: String,
    traffic: &pluvio_proxy::Traffic,
) -> RouteMetrics {
    let (totals, lately) = (&traffic.totals, &traffic.lately);
    let seconds = |span: Option<Duration>| span.map(|span| span.as_secs_f64());
    // By the first digit of the status.
    let class = |digit: usize| totals.classes.get(digit).copied().unwrap_or(0);
    RouteMetrics {
        application,
        route,
        requests: totals.requests(),
        server_errors: class(5),
        client_errors: class(4),
        received_bytes: totals.received,
        sent_bytes: totals.sent,
        active: totals.active,
        requests_per_second: lately.requests_per_second,
        server_errors_per_second: lately.server_errors_per_second,
        client_errors_per_second: lately.client_errors_per_second,
        received_per_second: lately.received_per_second,
        sent_per_second: lately.sent_per_second,
        p50: seconds(lately.p50),
        p95: seconds(lately.p95),
        p99: seconds(lately.p99),
    }
}

/// An endpoint, if the instance's name is one that endpoints can have.
pub(crate) fn endpoint(instance: &str, address: SocketAddr) -> Option<Endpoint> {
    Some(Endpoint {
        address,
        instance: instance.parse().ok()?,
    })
}
