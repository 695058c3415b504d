//! Bare names of components inside an application.

use std::time::Duration;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use pluvio_model::problem::Problem;
use pluvio_model::stage::RunWish;
use pluvio_plan::lower::kubernetes::{self as lower, Object, Options, key};
use serde_json::json;

use super::{Worker, slice_name};
use crate::MANAGER;
use crate::book::ObjectName;
use crate::failure::of_object;
use crate::meetings::Found;

impl Worker {
    /// Bare names: one entry for each in the slice of the application's headless Service, leading to the address of the
    /// component's own Service, and to that of each instance with a name of its own. Last, those of other applications on networks
    /// that are shared with them. Answers when to look again for these.
    pub(super) async fn inner_names(
        &mut self,
        wish: &RunWish,
        options: &Options,
        anew: bool,
    ) -> Result<Option<Duration>, Box<Problem>> {
        let service = lower::application_object(&wish.release);
        let mut names: Vec<(String, String)> = Vec::new();
        let mut found = Vec::new();
        for inner in lower::inner_names(&wish.release) {
            let object = ObjectName::new("v1", "Service", &options.namespace, inner.service);
            let Some(address) = self.writer.address(&object) else {
                continue;
            };
            found.extend(inner.known_as.into_iter().map(|known_as| Found {
                known_as,
                host: inner.host.clone(),
                address: address.to_owned(),
            }));
            names.push((inner.host, address.to_owned()));
        }
        let meetings = &self.shared.meetings;
        meetings.tell(&self.application, found);
        let (mut others, waits) = meetings.others(self.application.id);
        if waits.is_some() {
            // Those that are not known again yet stay as they were.
            others.extend(self.names_there(wish, options).await);
        }
        for (host, address) in others {
            if !names.iter().any(|(own, _)| *own == host) {
                names.push((host, address));
            }
        }
        let endpoints: Vec<_> = names
            .iter()
            .map(|(hostname, address)| {
                json!({
                    "addresses": [address],
                    "hostname": hostname,
                    "conditions": { "ready": true },
                })
            })
            .collect();
        let name = slice_name(wish, options);
        let body = json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": name.name,
                "namespace": options.namespace,
                "labels": {
                    "kubernetes.io/service-name": service,
                    "endpointslice.kubernetes.io/managed-by": MANAGER,
                    (key::APPLICATION): self.application.id,
                },
            },
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": [],
        });
        let object = Object {
            api_version: name.api_version,
            kind: name.kind,
            namespace: name.namespace,
            name: name.name,
            body,
        };
        let writing = self.writer.bring(
            &self.shared.client,
            &self.shared.resources,
            &self.shared.cache,
            &object,
            anew,
        );
        let written = writing.await;
        written.map_err(|error| Box::new(of_object("the inner names", &error)))?;
        Ok(waits)
    }

    /// The names that the slice has in the cluster; none where it cannot be read.
    async fn names_there(&self, wish: &RunWish, options: &Options) -> Vec<(String, String)> {
        let slices =
            Api::<EndpointSlice>::namespaced(self.shared.client.clone(), &options.namespace);
        let slice = slices.get_opt(&slice_name(wish, options).name).await;
        let slice = slice.unwrap_or_default();
        let endpoints = slice.into_iter().flat_map(|slice| slice.endpoints);
        endpoints
            .filter_map(|one| Some((one.hostname?, one.addresses.into_iter().next()?)))
            .collect()
    }
}
