//! Names with dots, for those that ask for them.

use kube::runtime::reflector::ObjectRef;
use pluvio_plan::lower::kubernetes::Object;
use serde_json::json;

use super::Worker;
use crate::book::ObjectName;
use crate::hosts;

impl Worker {
    /// Writes them with the addresses of the Services that were written before. A Job keeps those that it was made with: nothing of its
    /// pods can be changed.
    pub(super) async fn lead(&self, object: &mut Object) -> Result<(), kube::Error> {
        if !hosts::asks(object) {
            return Ok(());
        }
        if object.kind == "Job" {
            let namespace = object.namespace.as_deref().unwrap_or_default();
            let reference = ObjectRef::new(&object.name).within(namespace);
            if let Some(made) = self.shared.cache.jobs.get(&reference) {
                let spec = made.spec.as_ref();
                let pod = spec.and_then(|spec| spec.template.spec.as_ref());
                if let Some(aliases) = pod.and_then(|pod| pod.host_aliases.as_ref()) {
                    object.body["spec"]["template"]["spec"]["hostAliases"] = json!(aliases);
                }
                return Ok(());
            }
        }
        let known = |name: &ObjectName| self.writer.address(name).map(str::to_owned);
        hosts::lead(&self.shared.client, object, known).await
    }
}
