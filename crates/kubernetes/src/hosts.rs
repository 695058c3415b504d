//! Names with dots that pods have in `/etc/hosts`. They lead to Services, whose addresses are known once those are there: what is
//! lowered says which, and this writes them where the cluster has addresses for them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
use kube::{Api, Client, ResourceExt};
use pluvio_plan::lower::kubernetes::{Object, key};
use serde_json::{Value, json};

use crate::book::ObjectName;

/// Where objects have the template of their pods.
const TEMPLATES: [&str; 2] = ["/spec/template", "/spec/jobTemplate/spec/template"];

/// Whether the object makes pods that are told such names.
pub(crate) fn asks(object: &Object) -> bool {
    template(object).is_some()
}

/// The pods' template that asks, and where it is.
fn template(object: &Object) -> Option<(&'static str, &Value, &str)> {
    TEMPLATES.into_iter().find_map(|at| {
        let template = object.body.pointer(at)?;
        let told = template["metadata"]["annotations"][key::HOSTS].as_str()?;
        Some((at, template, told))
    })
}

/// Writes the names into what makes pods. `known`: the address of a Service that was written by this process. A Service that is not
/// there yet is left out; whoever has its turn later makes it, and the pods that ask are replaced then.
pub(crate) async fn lead(
    client: &Client,
    object: &mut Object,
    known: impl Fn(&ObjectName) -> Option<String>,
) -> Result<(), kube::Error> {
    let Some((at, template, told)) = template(object) else {
        return Ok(());
    };
    let names: BTreeMap<String, String> = serde_json::from_str(told).unwrap_or_default();
    let application = template["metadata"]["labels"][key::APPLICATION].as_str();
    let namespace = object.namespace.as_deref().unwrap_or_default();
    let aliases = template["spec"]["hostAliases"].as_array();
    let mut aliases: Vec<Value> = aliases.cloned().unwrap_or_default();
    for (host, service) in names {
        let name = ObjectName::new("v1", "Service", namespace, service);
        let address = match known(&name) {
            Some(address) => Some(address),
            None => address(client, namespace, &name.name, application).await?,
        };
        let Some(address) = address else { continue };
        // Server-side apply wants each address once.
        let there = aliases.iter_mut().find(|one| one["ip"] == *address);
        match there.and_then(|one| one["hostnames"].as_array_mut()) {
            Some(hostnames) => hostnames.push(json!(host)),
            None => aliases.push(json!({ "ip": address, "hostnames": [host] })),
        }
    }
    if !aliases.is_empty()
        && let Some(template) = object.body.pointer_mut(at)
    {
        template["spec"]["hostAliases"] = json!(aliases);
    }
    Ok(())
}

/// Of a Service that the application has.
async fn address(
    client: &Client,
    namespace: &str,
    service: &str,
    application: Option<&str>,
) -> Result<Option<String>, kube::Error> {
    let services = Api::<Service>::namespaced(client.clone(), namespace);
    let there = services.get_opt(service).await?;
    let ours = there.filter(|there| {
        let owner = there.labels().get(key::APPLICATION);
        owner.map(String::as_str) == application
    });
    let address = ours.and_then(|there| there.spec?.cluster_ip);
    Ok(address.filter(|address| address != "None" && !address.is_empty()))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Request, Response};
    use kube::client::Body;

    use super::*;

    /// A cluster that has the Service `shop--late` of the application `one`, and no other.
    fn cluster() -> Client {
        let service = tower::service_fn(|request: Request<Body>| async move {
            let is_there = request.uri().path().ends_with("/services/shop--late");
            let (code, answer) = match is_there {
                true => (
                    200,
                    json!({
                        "apiVersion": "v1", "kind": "Service",
                        "metadata": { "name": "shop--late", "labels": { (key::APPLICATION): "one" } },
                        "spec": { "clusterIP": "10.96.0.9" },
                    }),
                ),
                false => (
                    404,
                    json!({
                        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                        "message": "no", "reason": "NotFound", "code": 404,
                    }),
                ),
            };
            let mut response = Response::new(Body::from(answer.to_string().into_bytes()));
            *response.status_mut() = http::StatusCode::from_u16(code).expect("a status");
            Ok::<_, Infallible>(response)
        });
        Client::new(service, "default")
    }

    /// The `hostAliases` of a Deployment and of a CronJob that ask for these names.
    async fn aliases(names: Value, application: &str) -> Value {
        let template = json!({
            "metadata": {
                "labels": { (key::APPLICATION): application },
                "annotations": { (key::HOSTS): names.to_string() },
            },
            "spec": { "hostAliases": [{ "ip": "10.0.0.9", "hostnames": ["old.test"] }] },
        });
        let mut found = Vec::new();
        for (kind, at) in ["Deployment", "CronJob"].into_iter().zip(TEMPLATES) {
            let body = match kind {
                "CronJob" => {
                    json!({ "spec": { "jobTemplate": { "spec": { "template": template } } } })
                }
                _ => json!({ "spec": { "template": template } }),
            };
            let mut object = Object {
                api_version: "apps/v1".to_owned(),
                kind: kind.to_owned(),
                namespace: Some("crew--live".to_owned()),
                name: "shop--web".to_owned(),
                body,
            };
            assert!(asks(&object));
            let known =
                |name: &ObjectName| (name.name == "shop--db").then(|| "10.96.0.5".to_owned());
            let led = lead(&cluster(), &mut object, known).await;
            led.expect("an answer");
            let template = object.body.pointer(at).expect("a template");
            found.push(template["spec"]["hostAliases"].clone());
        }
        assert_eq!(found[0], found[1]);
        found.swap_remove(0)
    }

    #[tokio::test]
    async fn names_lead_to_services_as_far_as_they_are_there() {
        let names = json!({
            "a.test": "shop--db", "b.test": "shop--db", "c.test": "shop--late", "d.test": "shop--none",
        });
        let old = json!({ "ip": "10.0.0.9", "hostnames": ["old.test"] });
        let db = json!({ "ip": "10.96.0.5", "hostnames": ["a.test", "b.test"] });
        let late = json!({ "ip": "10.96.0.9", "hostnames": ["c.test"] });
        let ours = aliases(names.clone(), "one").await;
        assert_eq!(ours, json!([old, db, late]));
        // What another application has by that name is not ours.
        assert_eq!(aliases(names, "two").await, json!([old, db]));
    }
}
