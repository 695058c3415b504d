//! Reading secrets: what is read, and for what, is in the audit log before it is read.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use pluvio_model::id::ApplicationId;
use pluvio_model::problem::Problem;
use pluvio_model::stage::SecretValue;
use pluvio_model::template::SecretRef;
use pluvio_store::NewAudit;

use crate::Control;

/// What each application's secrets were last read for: the reconciler hands the same stage over until the node has it, which
/// is one reading.
pub(crate) type Readings = Mutex<HashMap<ApplicationId, String>>;

impl Control {
    /// The values, keyed as a stage wants them. `purpose`: `r3 at generation 7`; the same again is the same reading.
    pub(crate) async fn read_secrets(
        &self,
        application: ApplicationId,
        wanted: &[SecretRef],
        purpose: &str,
    ) -> Result<BTreeMap<String, SecretValue>, Problem> {
        let store = &self.inner.store;
        if !wanted.is_empty() && !self.was_told(application, purpose) {
            let of = store.application(application).await?;
            for secret in wanted {
                let row = NewAudit {
                    team: Some(of.team),
                    actor: "pluvio".to_owned(),
                    action: "secret:read".to_owned(),
                    object: format!(
                        "secret {} version {} of {} for {purpose}",
                        secret.name, secret.version, of.name
                    ),
                    result: "read".to_owned(),
                };
                store.audit(row).await?;
            }
            let mut readings = self.inner.readings.lock().expect("no panic while held");
            readings.insert(application, purpose.to_owned());
        }
        Ok(store.secret_values(application, wanted).await?)
    }

    fn was_told(&self, application: ApplicationId, purpose: &str) -> bool {
        let readings = self.inner.readings.lock().expect("no panic while held");
        readings
            .get(&application)
            .is_some_and(|last| last == purpose)
    }
}
