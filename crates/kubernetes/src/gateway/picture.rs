//! From what the cluster shows to what a gateway serves. Pure, but for the clock that it is given.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use pluvio_model::route::{
    ApplicationKey, BackendId, BackendPart, BackendState, Endpoint, Endpoints, RouteTable,
};
use tokio::time::Instant;

use crate::routes::{Told, ToldComponent};

/// How long requests wait for a component whose instance is replaced, from when it was lost: after that they are answered at
/// once that there is none.
const REPLACED_WITHIN: Duration = Duration::from_secs(60);

/// All that a gateway serves, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picture {
    /// The same one as long as no route changes.
    pub routes: Arc<RouteTable>,
    pub endpoints: Endpoints,
}

/// Namespace and Service.
pub(crate) type ServiceKey = (String, String);

/// Draws one picture after the other; remembers what the cluster does not tell.
#[derive(Debug, Default)]
pub(crate) struct Painter {
    routes: Arc<RouteTable>,
    /// Since when components whose requests wait have no instance.
    lost: HashMap<ServiceKey, Instant>,
}

/// What names outside stand for.
pub(crate) type Names = BTreeMap<String, BTreeSet<IpAddr>>;

impl Painter {
    /// Also tells when to draw anew though nothing has changed.
    pub(crate) fn draw(
        &mut self,
        told: &[impl Borrow<Told>],
        slices: &[impl AsRef<EndpointSlice>],
        names: &Names,
        now: Instant,
    ) -> (Picture, Option<Instant>) {
        let told: Vec<&Told> = told.iter().map(Borrow::borrow).collect();
        self.take_routes(&told);
        let mut by_service: HashMap<(&str, &str), Vec<&EndpointSlice>> = HashMap::new();
        for slice in slices.iter().map(AsRef::as_ref) {
            if let Some(service) = service_of(slice) {
                by_service.entry(service).or_default().push(slice);
            }
        }
        let mut endpoints = Endpoints::default();
        let mut lost = HashMap::new();
        let mut again: Option<Instant> = None;
        for told in told {
            for (name, component) in &told.components {
                let key = (told.namespace.as_str(), component.service.as_str());
                let slices = by_service.get(&key).map_or(&[][..], Vec::as_slice);
                let ready: Vec<(&BackendPart, Vec<Endpoint>)> = component
                    .ports
                    .iter()
                    .map(|port| (port, endpoints_of(component, port, slices, names)))
                    .collect();
                let mut holds = false;
                if component.is_held
                    && !component.is_stopped
                    && ready.iter().all(|(_, ready)| ready.is_empty())
                {
                    let key = (told.namespace.clone(), component.service.clone());
                    let since = *self.lost.get(&key).unwrap_or(&now);
                    lost.insert(key, since);
                    let end = since + REPLACED_WITHIN;
                    holds = now < end;
                    if holds {
                        again = Some(again.map_or(end, |again| again.min(end)));
                    }
                }
                for (port, ready) in ready {
                    let state = if component.is_stopped {
                        BackendState::Stopped
                    } else if holds {
                        BackendState::holding()
                    } else {
                        BackendState::Serving { endpoints: ready }
                    };
                    let application = told.fragment.application.clone();
                    let id = BackendId::new(application, name.clone(), port.clone());
                    endpoints.set(id, state);
                }
            }
        }
        self.lost = lost;
        let picture = Picture {
            routes: self.routes.clone(),
            endpoints,
        };
        (picture, again)
    }

    /// A fragment that is older than the one that is served, by a control that comes late, does not replace it.
    fn take_routes(&mut self, told: &[&Told]) {
        let there: BTreeSet<&ApplicationKey> =
            told.iter().map(|told| &told.fragment.application).collect();
        let gone: Vec<ApplicationKey> = self
            .routes
            .fragments()
            .map(|fragment| fragment.application.clone())
            .filter(|application| !there.contains(application))
            .collect();
        for application in &gone {
            Arc::make_mut(&mut self.routes).remove(application);
        }
        for told in told {
            let fragment = &told.fragment;
            let held = self.routes.get(&fragment.application);
            let is_newer = held.is_none_or(|held| held.generation <= fragment.generation);
            if is_newer && held != Some(fragment) {
                Arc::make_mut(&mut self.routes).offer(fragment.clone());
            }
        }
    }
}

fn service_of(slice: &EndpointSlice) -> Option<(&str, &str)> {
    let namespace = slice.metadata.namespace.as_deref()?;
    let labels = slice.metadata.labels.as_ref()?;
    Some((namespace, labels.get("kubernetes.io/service-name")?))
}

/// Where new requests may go: ready, and not on the way out. Sorted, each once.
fn endpoints_of(
    component: &ToldComponent,
    port: &BackendPart,
    slices: &[&EndpointSlice],
    names: &Names,
) -> Vec<Endpoint> {
    let mut found = BTreeSet::new();
    if let Some(outside) = &component.outside {
        let number = outside.ports.get(port).copied().unwrap_or_default();
        for address in names.get(&outside.host).into_iter().flatten() {
            found.extend(endpoint(*address, number, &address.to_string()));
        }
    }
    for slice in slices {
        let number = slice
            .ports
            .iter()
            .flatten()
            .find(|one| one.name.as_deref() == Some(port.as_str()))
            .and_then(|one| u16::try_from(one.port?).ok());
        let Some(number) = number else { continue };
        for one in &slice.endpoints {
            let conditions = one.conditions.clone().unwrap_or_default();
            // What is not said is true of readiness, false of an end.
            let takes = conditions.ready != Some(false) && conditions.terminating != Some(true);
            let Some(Ok(address)) = one.addresses.first().map(|text| text.parse::<IpAddr>()) else {
                continue;
            };
            if takes {
                let pod = one.target_ref.as_ref().and_then(|pod| pod.name.clone());
                let name = pod.unwrap_or_else(|| address.to_string());
                found.extend(endpoint(address, number, &name));
            }
        }
    }
    found.into_iter().collect()
}

fn endpoint(address: IpAddr, port: u16, name: &str) -> Option<Endpoint> {
    Some(Endpoint {
        address: SocketAddr::new(address, port),
        // Colons of an IPv6 address are no part of an instance's name.
        instance: name.replace(':', "-").parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const APP: &str = "01936b2a-0000-7000-8000-0000aaaa0001";

    fn told(generation: u64, change: impl FnOnce(&mut ToldComponent)) -> Told {
        let mut component = ToldComponent {
            service: "shop--web".to_owned(),
            ports: vec!["http".parse().unwrap()],
            is_stopped: false,
            is_held: false,
            outside: None,
        };
        change(&mut component);
        let fragment = json!({ "application": APP, "generation": generation, "routes": [{
            "id": "r", "hosts": ["shop.test"], "backends": [{ "backend": format!("{APP}/web/http") }],
        }] });
        Told {
            fragment: serde_json::from_value(fragment).unwrap(),
            namespace: "team--production".to_owned(),
            components: [("web".parse().unwrap(), component)].into(),
        }
    }

    fn slice(namespace: &str, service: &str, endpoints: Value) -> Arc<EndpointSlice> {
        Arc::new(
            serde_json::from_value(json!({
                "metadata": {
                    "name": "x", "namespace": namespace,
                    "labels": { "kubernetes.io/service-name": service },
                },
                "addressType": "IPv4",
                "ports": [{ "name": "http", "port": 8080 }, { "name": "other", "port": 9 }],
                "endpoints": endpoints,
            }))
            .unwrap(),
        )
    }

    fn state(picture: &Picture) -> String {
        match picture
            .endpoints
            .get(&format!("{APP}/web/http").parse().unwrap())
        {
            BackendState::Serving { endpoints } => endpoints
                .iter()
                .map(|one| format!("{}={}", one.instance, one.address))
                .collect::<Vec<_>>()
                .join(" "),
            other => format!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn only_what_is_ready_and_stays_gets_requests() {
        let all = json!([
            { "addresses": ["10.0.0.1"], "conditions": { "ready": true }, "targetRef": { "name": "web-1" } },
            { "addresses": ["10.0.0.2"], "conditions": { "ready": false }, "targetRef": { "name": "web-2" } },
            { "addresses": ["10.0.0.3"], "conditions": { "ready": true, "terminating": true }, "targetRef": { "name": "web-3" } },
            { "addresses": ["10.0.0.4"], "targetRef": { "name": "web-4" } },
            { "addresses": ["no address"], "conditions": { "ready": true } },
        ]);
        let slices = [
            slice("team--production", "shop--web", all),
            // Of the headless Service, and of somebody who calls theirs the same.
            slice(
                "team--production",
                "shop--web--each",
                json!([{ "addresses": ["10.0.0.9"] }]),
            ),
            slice(
                "elsewhere",
                "shop--web",
                json!([{ "addresses": ["10.0.0.8"] }]),
            ),
        ];
        let mut painter = Painter::default();
        let (picture, again) =
            painter.draw(&[told(1, |_| {})], &slices, &Names::new(), Instant::now());
        assert_eq!(state(&picture), "web-1=10.0.0.1:8080 web-4=10.0.0.4:8080");
        assert_eq!((picture.routes.fragments().count(), again), (1, None));
    }

    #[tokio::test]
    async fn stopped_says_so_and_a_replaced_instance_is_waited_for_not_forever() {
        let none: [Arc<EndpointSlice>; 0] = [];
        let now = Instant::now();
        let mut painter = Painter::default();
        let mut at = |told: Told, now| {
            let (picture, again) = painter.draw(&[told], &none, &Names::new(), now);
            (state(&picture), again)
        };
        let (stopped, _) = at(
            told(1, |web| (web.is_stopped, web.is_held) = (true, true)),
            now,
        );
        assert_eq!(stopped, "Stopped");
        assert_eq!(at(told(1, |_| {}), now).0, "");
        let held = || told(1, |web| web.is_held = true);
        let (holding, again) = at(held(), now);
        assert_eq!(holding, format!("{:?}", BackendState::holding()));
        assert_eq!(again, Some(now + REPLACED_WITHIN));
        assert_eq!(at(held(), now + REPLACED_WITHIN), (String::new(), None));
    }

    #[tokio::test]
    async fn routes_never_go_back_and_go_with_their_application() {
        let none: [Arc<EndpointSlice>; 0] = [];
        let mut painter = Painter::default();
        let mut generation = |told: &[Told]| {
            let (picture, _) = painter.draw(told, &none, &Names::new(), Instant::now());
            let mut fragments = picture.routes.fragments();
            fragments.next().map(|fragment| fragment.generation.0)
        };
        assert_eq!(generation(&[told(2, |_| {})]), Some(2));
        assert_eq!(generation(&[told(1, |_| {})]), Some(2));
        assert_eq!(generation(&[]), None);
        assert_eq!(generation(&[told(1, |_| {})]), Some(1));
    }

    #[tokio::test]
    async fn a_name_outside_leads_to_its_addresses() {
        let outside = told(1, |web| {
            web.outside = Some(crate::routes::Outside {
                host: "bank.test".to_owned(),
                ports: [("http".parse().unwrap(), 81)].into(),
            });
        });
        let names = Names::from([(
            "bank.test".to_owned(),
            ["fd00::1".parse().unwrap(), "192.0.2.1".parse().unwrap()].into(),
        )]);
        let none: [Arc<EndpointSlice>; 0] = [];
        let (picture, _) = Painter::default().draw(&[outside], &none, &names, Instant::now());
        assert_eq!(
            state(&picture),
            "192.0.2.1=192.0.2.1:81 fd00--1=[fd00::1]:81"
        );
    }
}
