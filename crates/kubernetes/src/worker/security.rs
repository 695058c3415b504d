//! What a namespace enforces of its pods: it is the environment's, whose applications share it.

use pluvio_model::stage::RunWish;
use pluvio_plan::lower::kubernetes::{Level, Object};
use serde_json::json;

use super::Worker;
use crate::remove::{HOME, LEAVING, STAYS};

impl Worker {
    /// What the most demanding of the namespace's applications needs, and whose namespace it is.
    pub(super) fn secure(&self, wish: &RunWish, object: &mut Object) {
        if object.kind != "Namespace" {
            return;
        }
        let mut levels = self.shared.security.lock().expect("no holder panics");
        let restricted = self.shared.config.is_restricted(&wish.release.team);
        let own = Level::of(&wish.release, restricted);
        levels.insert(self.application.id, (object.name.clone(), own));
        let there = levels.values().filter(|(name, _)| *name == object.name);
        let most = there.map(|(_, level)| *level).max().unwrap_or(own);
        for (key, level) in most.labels() {
            object.body["metadata"]["labels"][key] = json!(level);
        }
        // Whoever leaves the cluster finds it, also when no application is in it any more.
        object.body["metadata"]["labels"][HOME] = json!(self.shared.config.namespace);
        // Whoever is about to delete it finds it changed.
        object.body["metadata"]["annotations"][LEAVING] = json!(STAYS);
    }

    /// What is gone needs nothing.
    pub(super) fn no_more_level(&self) {
        let mut levels = self.shared.security.lock().expect("no holder panics");
        levels.remove(&self.application.id);
    }
}
