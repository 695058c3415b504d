//! Bare names of components inside an application.

use pluvio_model::problem::Problem;
use pluvio_model::stage::RunWish;
use pluvio_plan::lower::kubernetes::{self as lower, Object, Options, key};
use serde_json::json;

use super::{Worker, slice_name};
use crate::MANAGER;
use crate::book::ObjectName;
use crate::failure::of_object;

impl Worker {
    /// Bare names: one entry for each component in the slice of the application's headless Service, leading to the address of
    /// the component's own Service, and to that of each instance with a name of its own.
    pub(super) async fn inner_names(
        &mut self,
        wish: &RunWish,
        options: &Options,
        anew: bool,
    ) -> Result<(), Box<Problem>> {
        let service = lower::application_object(&wish.release);
        let mut endpoints = Vec::new();
        for (component, decided) in &wish.release.components {
            let object = lower::component_object(&wish.release, component);
            let mut names = vec![(component.to_string(), object)];
            names.extend((0..lower::named_instances(decided)).map(|ordinal| {
                let object = lower::instance_object(&wish.release, component, ordinal);
                (format!("{component}-{ordinal}"), object)
            }));
            for (hostname, object) in names {
                let name = ObjectName::new("v1", "Service", &options.namespace, object);
                let Some(address) = self.writer.address(&name) else {
                    continue;
                };
                endpoints.push(json!({
                    "addresses": [address],
                    "hostname": hostname,
                    "conditions": { "ready": true },
                }));
            }
        }
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
        writing
            .await
            .map_err(|error| Box::new(of_object("the inner names", &error)))
    }
}
