//! What a namespace enforces of its pods: it is the environment's, whose applications share it.

use pluvio_model::stage::RunWish;
use pluvio_plan::lower::kubernetes::{Object, needs_privileged, pod_security};
use serde_json::json;

use super::Worker;

impl Worker {
    /// What the most demanding of the namespace's applications needs.
    pub(super) fn secure(&self, wish: &RunWish, object: &mut Object) {
        if object.kind != "Namespace" {
            return;
        }
        let mut levels = self.shared.security.lock().expect("no holder panics");
        let own = (object.name.clone(), needs_privileged(&wish.release));
        levels.insert(self.application.id, own);
        let privileged = levels
            .values()
            .any(|(namespace, privileged)| *namespace == object.name && *privileged);
        for (key, level) in pod_security(privileged) {
            object.body["metadata"]["labels"][key] = json!(level);
        }
    }

    /// What is gone needs nothing.
    pub(super) fn no_more_level(&self) {
        let mut levels = self.shared.security.lock().expect("no holder panics");
        levels.remove(&self.application.id);
    }
}
