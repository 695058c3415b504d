//! What a person asks for, and the asking of it.

use pluvio_control::{Asker, Control, CopyAsk, DeployAsk, PatchAsk};
use pluvio_model::id::{EnvironmentId, OperationId};
use pluvio_model::operation::OperationKind;
use pluvio_model::problem::Problem;
use pluvio_model::stage::{Power, SecretValue};
use pluvio_plan::patch::Patch;
use pluvio_store::{Application, Asked, Idempotency};

/// Something that a person asks for.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    Deploy(Box<DeployAsk>),
    Patch(OperationKind, Patch),
    Power(Power),
    Rollback(Option<u64>),
    Cancel,
    Delete,
    Secret(String),
    /// To which application, by its number.
    Copy(usize, Box<CopyAsk>),
}

impl Wish {
    pub(crate) fn name(&self) -> String {
        match self {
            Wish::Deploy(ask) => format!("{:?}", ask.origin).to_lowercase(),
            Wish::Patch(_, patch) => format!("{patch:?}").chars().take(70).collect(),
            Wish::Power(power) => format!("power {power:?}"),
            Wish::Rollback(to) => format!("rollback {to:?}"),
            Wish::Cancel => "cancel".to_owned(),
            Wish::Delete => "delete".to_owned(),
            Wish::Secret(value) => format!("secret {value}"),
            Wish::Copy(to, ask) => format!("copy to {to} with {:?}", ask.wishes.data),
        }
    }
}

pub(crate) async fn carry_out(
    control: Control,
    (environment, name): (EnvironmentId, String),
    wish: Wish,
    key: String,
) -> Result<Option<OperationId>, Problem> {
    if control.bound_cluster().is_none() {
        // What waits for the node would wait in vain while time stands still.
        control.bind().await?;
    }
    let by = Asker {
        actor: "somebody".to_owned(),
        idempotency: Some(Idempotency {
            fingerprint: wish.name(),
            key,
        }),
        if_revision: None,
    };
    let id = |asked: Asked| Some(asked.operation.id);
    if let Wish::Deploy(ask) = wish {
        return control.deploy(by, *ask).await.map(id);
    }
    let store = control.store();
    let found = store.find_application(environment, &name);
    let application: Application = found.await.map_err(Problem::from)?;
    match wish {
        Wish::Deploy(_) => unreachable!("asked above"),
        Wish::Copy(_, ask) => control.copy(by, &application, *ask).await.map(id),
        Wish::Patch(kind, patch) => {
            let ask = PatchAsk {
                components: Vec::new(),
                kind,
                title: "a patch".to_owned(),
                patches: vec![patch],
                secrets: Vec::new(),
            };
            control.patch(by, &application, ask).await.map(id)
        }
        Wish::Power(power) => control
            .set_power(by, &application, power, &[])
            .await
            .map(id),
        Wish::Rollback(to) => {
            let may = |_: &_, _: &_| Ok(());
            control.rollback(by, &application, to, may).await.map(id)
        }
        Wish::Delete => control.delete(by, &application).await.map(id),
        Wish::Cancel => {
            let running = store.running_operations(application.id).await;
            match running.map_err(Problem::from)?.last() {
                Some(last) => {
                    let cancelled = control.cancel(last.id, "somebody").await?;
                    Ok(Some(cancelled.id))
                }
                None => Ok(None),
            }
        }
        Wish::Secret(value) => {
            let key = "KEY".parse().expect("a name");
            store
                .set_secret(application.id, &key, &SecretValue(value), "somebody")
                .await
                .map_err(Problem::from)?;
            Ok(None)
        }
    }
}
