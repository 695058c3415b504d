//! What runs beside a component, as a service on its network.

use pluvio_model::name::Name;
use pluvio_model::spec::{ComponentSpec, ContainerSpec, RestartPolicy};
use serde_json::{Map, Value};

use super::Writer;

impl Writer<'_> {
    /// `called`: the service's name.
    pub(super) fn sidecar(
        &mut self,
        name: &Name,
        component: &ComponentSpec,
        beside: &Name,
        sidecar: &ContainerSpec,
        called: &str,
    ) -> Map<String, Value> {
        let path = format!("components.{name}.sidecars.{beside}");
        let own_image = sidecar.image.is_none();
        let of = |own: bool| own.then_some(component);
        let service = ComponentSpec {
            image: match &sidecar.image {
                Some(image) => Some(image.clone()),
                None => component.image.clone(),
            },
            source: of(own_image).and_then(|component| component.source.clone()),
            build: of(own_image).and_then(|component| component.build.clone()),
            entrypoint: sidecar.entrypoint.clone(),
            command: sidecar.command.clone(),
            // Its values are made of the component's.
            env: component.env.clone(),
            files: sidecar.files.clone(),
            volumes: sidecar.volumes.clone(),
            resources: sidecar.resources.clone(),
            user: sidecar.user.clone(),
            working_dir: sidecar.working_dir.clone(),
            stop_signal: sidecar.stop_signal.clone(),
            probes: sidecar.probes.clone(),
            host: sidecar.host.clone(),
            options: sidecar.options.clone(),
            restart: Some(RestartPolicy::Always),
            ..ComponentSpec::default()
        };
        let mut out = self.service(&path, called, &service);
        let env = self.environment(&path, &sidecar.env, component);
        out.shift_remove("environment");
        if !env.is_empty() {
            out.insert("environment".into(), env.into());
        }
        out.insert("network_mode".into(), format!("service:{name}").into());
        out
    }
}
