//! What happens to instances, as their list of events tells it.

use pluvio_model::observed::{ExitRecord, InstanceEvent};
use pluvio_telemetry::events::EventStore;

use crate::collect::Source;

/// In Kubernetes' words, where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Created,
    Started,
    Ready,
    /// A probe fails.
    Unhealthy,
    /// It is told to end.
    Killing,
    /// It was told to end, and did.
    Stopped,
    Ended {
        code: i64,
        oom: bool,
    },
    FilesWritten,
    /// A hook after its start.
    PostStartFailed,
    /// A hook before its stop.
    PreStopFailed,
    /// Something else still has its volume.
    Waiting,
    /// Its container was removed by somebody else.
    Removed,
    /// The engine did not do what it was asked for.
    Failed,
}

impl What {
    /// An end that nobody ordered.
    pub(crate) fn ended(exit: &ExitRecord) -> What {
        What::Ended {
            code: exit.code,
            oom: exit.oom,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            What::Created => "Created",
            What::Started => "Started",
            What::Ready => "Ready",
            What::Unhealthy => "Unhealthy",
            What::Killing => "Killing",
            What::Stopped => "Stopped",
            What::Ended { oom: true, .. } => "OOMKilled",
            What::Ended { code: 0, .. } => "Completed",
            What::Ended { .. } => "Error",
            What::FilesWritten => "FilesWritten",
            What::PostStartFailed => "FailedPostStartHook",
            What::PreStopFailed => "FailedPreStopHook",
            What::Waiting => "Waiting",
            What::Removed => "Removed",
            What::Failed => "Failed",
        }
    }

    fn is_warning(self) -> bool {
        match self {
            What::Created
            | What::Started
            | What::Ready
            | What::Killing
            | What::Stopped
            | What::FilesWritten
            | What::Waiting => false,
            What::Ended { code, oom } => oom || code != 0,
            What::Unhealthy
            | What::PostStartFailed
            | What::PreStopFailed
            | What::Removed
            | What::Failed => true,
        }
    }
}

/// Notes it among the events of its application.
pub(crate) fn note(events: &EventStore, of: &Source, what: What, message: impl Into<String>) {
    let now = pluvio_model::clock::now();
    let (instance, container) = match of.instance.split_once('/') {
        Some((instance, container)) => (instance, Some(container.to_owned())),
        None => (&*of.instance, None),
    };
    let event = InstanceEvent {
        component: of.component.clone(),
        instance: instance.to_owned(),
        container,
        is_warning: what.is_warning(),
        reason: what.reason().to_owned(),
        message: of.masks.mask(message.into()),
        count: 1,
        first: now,
        last: now,
    };
    events.record(of.application, event);
}
