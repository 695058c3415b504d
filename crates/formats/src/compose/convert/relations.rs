//! How a service stands to others: networks, names on them, what it awaits.

use pluvio_model::name::is_host_name;
use pluvio_model::problem;
use pluvio_model::spec::Use;

use super::super::item::{Fields, Map, Place};
use super::Convert;
use super::making::Making;

impl Convert<'_> {
    pub(super) fn network_mode(&mut self, fields: &mut Fields, making: &mut Making) {
        let Some(mode) = fields.take("network_mode") else {
            return;
        };
        let Some(text) = self.text(&mode) else { return };
        match text.as_str() {
            "" | "bridge" | "default" => self.told.ignored(
                mode.at,
                &mode.path,
                "The application has a bridge network of its own.",
            ),
            "host" => {
                making.on_host_network = true;
                self.told.refused(
                    mode.at,
                    &mode.path,
                    "On the machine's own network two instances cannot listen on one port: nothing could be replaced without a gap.",
                    "It joins the application's network instead; publish the ports that must be reached, with `ports`.",
                );
            }
            "none" => self.told.refused(
                mode.at,
                &mode.path,
                "A component without any network cannot be watched over.",
                "Take it out; nothing reaches a component that has no ports.",
            ),
            other => {
                let whose = other.split_once(':').map_or(other, |(_, name)| name);
                self.told.refused(
                    mode.at,
                    &mode.path,
                    format!("It would share the network of {whose}."),
                    format!("It joins the application's network instead: reach {whose} by its name rather than by localhost, or write it as a sidecar of {whose} in app.yaml."),
                );
            }
        }
    }

    pub(super) fn container_name(&mut self, fields: &mut Fields, making: &mut Making) {
        if let Some(container) = fields.take("container_name")
            && let Some(text) = self.text(&container)
        {
            self.told.adapted(
                container.at,
                &container.path,
                format!("`{text}` is a name on the network; containers are named after application, component and instance."),
            );
            self.add_alias(&container.path, container.at, &text, making);
        }
    }

    pub(super) fn add_alias(&mut self, path: &str, at: Place, alias: &str, making: &mut Making) {
        if self.is_host_name(path, at, alias) {
            making.alias(alias);
        }
    }

    pub(super) fn is_host_name(&mut self, path: &str, at: Place, alias: &str) -> bool {
        let good = is_host_name(alias);
        if !good {
            self.told.refused(
                at,
                path,
                format!("`{alias}` is not a host name."),
                "Write letters, digits, dashes and dots.",
            );
        }
        good
    }

    pub(super) fn depends(&mut self, fields: &mut Fields, making: &mut Making, services: &Map) {
        if let Some(depends) = fields.take("depends_on") {
            let map = depends.item.as_map().cloned().unwrap_or_default();
            for (name, field) in &map {
                let path = format!("{}.{name}", depends.path);
                let mut inner = Fields::new(path.clone(), &field.item);
                let required = match inner.take("required") {
                    Some(required) => {
                        let required_is = self.flag(&required) != Some(false);
                        let message = if required_is {
                            "It is so anyway."
                        } else {
                            "A service that is left out is not waited for."
                        };
                        self.told.ignored(required.at, &required.path, message);
                        required_is
                    }
                    None => true,
                };
                if let Some(restart) = inner.take("restart") {
                    self.told.ignored(
                        restart.at,
                        &restart.path,
                        "Its name leads to the instances that are ready, new ones too: nothing has to be restarted.",
                    );
                }
                if let Some(condition) = inner.take("condition") {
                    match condition.item.as_text() {
                        Some("service_started") => self.told.adapted(
                            condition.at,
                            &path,
                            format!("It starts once {name} is ready, which is later than started."),
                        ),
                        Some("service_healthy" | "service_completed_successfully") => {}
                        other => self.told.invalid(
                            condition.at,
                            &condition.path,
                            format!("`{}` is no condition.", other.unwrap_or("?")),
                            "Write service_started, service_healthy or service_completed_successfully.",
                        ),
                    }
                } else {
                    self.told
                        .adapted(field.at, &path, format!("It starts once {name} is ready."));
                }
                inner.finish(&mut self.told, &["condition", "restart", "required"]);
                self.uses(name, field.at, &path, required, making, services);
            }
        }
        if let Some(links) = fields.take("links") {
            for (at, text) in self.texts(&links) {
                let (name, alias) = match text.split_once(':') {
                    Some((name, alias)) => (name.to_owned(), Some(alias.to_owned())),
                    None => (text, None),
                };
                self.told.adapted(
                    at,
                    &links.path,
                    match &alias {
                        Some(alias) => format!(
                            "It starts after {name}, which `{alias}` leads to for every component."
                        ),
                        None => format!("It starts after {name}, which its name leads to anyway."),
                    },
                );
                if let Some(alias) = alias
                    && let Some(target) = self.names.get(&name).cloned()
                    && alias != target.as_str()
                {
                    self.linked.push((target, alias));
                }
                self.uses(&name, at, &links.path, true, making, services);
            }
        }
        if let Some(links) = fields.take("external_links") {
            self.told.refused(
                links.at,
                &links.path,
                "A container of somebody else is not reached by name.",
                "Write its address into `extra_hosts`, or make it a component of the application.",
            );
        }
    }

    pub(super) fn uses(
        &mut self,
        name: &str,
        at: Place,
        path: &str,
        required: bool,
        making: &mut Making,
        services: &Map,
    ) {
        let Some(target) = self.names.get(name).cloned() else {
            if required {
                let names: Vec<&str> = services.keys().map(String::as_str).collect();
                let remedy = match crate::suggest::nearest(name, names.iter().copied()) {
                    Some(near) => format!("Did you mean `{near}`?"),
                    None => "Take it out, or take its profile along with `--profile`.".to_owned(),
                };
                if self.lenient {
                    let message = format!("There is no service `{name}`; nothing is waited for.");
                    self.told.refused(at, path, message, remedy);
                    return;
                }
                self.told.error(
                    problem::SPEC_UNKNOWN_REFERENCE,
                    at,
                    path,
                    format!("There is no service `{name}`."),
                    remedy,
                );
            }
            return;
        };
        if target == making.name {
            self.told
                .adapted(at, path, "A service cannot await itself.");
            return;
        }
        if !making
            .component
            .uses
            .iter()
            .any(|other| *other.component() == target)
        {
            making.component.uses.push(Use::Component(target));
        }
    }
}
