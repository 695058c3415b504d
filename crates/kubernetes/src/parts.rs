//! A pod's containers, as an instance has them: its program, sidecars, init steps.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The component's own program: it is the first container.
    Main,
    /// Kubernetes' native ones: init containers that are always started again.
    Sidecar,
    Step,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    /// As the pod calls it; but for main's, as the specification does.
    pub(crate) name: &'a str,
    pub(crate) role: Role,
    pub(crate) status: Option<&'a ContainerStatus>,
}

/// Steps and sidecars in the pod's order, then main.
pub(crate) fn parts(pod: &Pod) -> Vec<Part<'_>> {
    let Some(spec) = &pod.spec else {
        return Vec::new();
    };
    let status = pod.status.as_ref();
    let before = status.and_then(|status| status.init_container_statuses.as_ref());
    let own = status.and_then(|status| status.container_statuses.as_ref());
    let of = |all: Option<&'_ Vec<ContainerStatus>>, name: &str| {
        all.and_then(|all| all.iter().position(|status| status.name == name))
    };
    let mut parts = Vec::new();
    for container in spec.init_containers.iter().flatten() {
        let role = match container.restart_policy.as_deref() {
            Some("Always") => Role::Sidecar,
            _ => Role::Step,
        };
        parts.push(Part {
            name: &container.name,
            role,
            status: of(before, &container.name).and_then(|at| before?.get(at)),
        });
    }
    if let Some(main) = spec.containers.first() {
        parts.push(Part {
            name: &main.name,
            role: Role::Main,
            status: of(own, &main.name).and_then(|at| own?.get(at)),
        });
    }
    parts
}

impl Part<'_> {
    /// What people call it.
    pub(crate) fn called(&self) -> &str {
        match self.role {
            Role::Main => "main",
            _ => self.name,
        }
    }

    /// What its lines are told by.
    pub(crate) fn shown(&self, pod: &str) -> String {
        match self.role {
            Role::Main => pod.to_owned(),
            _ => format!("{pod}/{}", self.name),
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        let state = self.status.and_then(|status| status.state.as_ref());
        state.is_some_and(|state| state.running.is_some())
    }

    /// Whether it has run before its present run: the kubelet keeps what that one said.
    pub(crate) fn ran_before(&self) -> bool {
        let last = self.status.and_then(|status| status.last_state.as_ref());
        last.is_some_and(|state| state.terminated.is_some())
    }

    /// Which run of it there is to read, if any.
    pub(crate) fn run(&self) -> Option<&str> {
        let status = self.status?;
        let state = status.state.as_ref()?;
        let has_begun = matches!(
            state,
            ContainerState {
                running: Some(_),
                ..
            } | ContainerState {
                terminated: Some(_),
                ..
            }
        );
        status.container_id.as_deref().filter(|_| has_begun)
    }
}
