//! Why a cluster does not take an object, by the words of its admission: quotas, limit ranges, pod security, policies, webhooks.

use pluvio_model::problem::{self, Problem};

use crate::failure::end;

/// What a user is told of a refusal; `None` if the message tells of none of these.
pub(crate) fn admission(what: &str, message: &str) -> Option<Problem> {
    let said = said(message);
    if let Some((_, rest)) = message.split_once("exceeded quota: ") {
        let (name, sums) = rest.split_once(", ").unwrap_or((rest, ""));
        return Some(problem::CLUSTER_QUOTA.problem(
            format!("The quota {name} of the namespace leaves no room for {what}: {}.", end(sums)),
            "Free something in the namespace, ask for less under `resources`, or have the ResourceQuota raised. It is tried again.",
        ));
    }
    if let Some((_, rest)) = message.split_once("failed quota: ") {
        let (name, wanted) = rest.split_once(": ").unwrap_or((rest, ""));
        return Some(problem::CLUSTER_POLICY.problem(
            format!("The quota {name} of the namespace wants {what} to say what it needs: it {}.", end(wanted)),
            "Say it under `resources` (`cpu` and `memory`, each with `request` and `limit`), then deploy again.",
        ));
    }
    if message.contains("violates PodSecurity") {
        return Some(problem::CLUSTER_POLICY.problem(
            format!("The namespace's pod security standard refuses {what}: it {}.", end(said)),
            "Take out what the message names, or have the namespace's label pod-security.kubernetes.io/enforce changed by whoever runs the cluster.",
        ));
    }
    if message.contains(" usage per ") || message.contains(" limit to request ratio per ") {
        return Some(problem::CLUSTER_POLICY.problem(
            format!("A LimitRange of the namespace refuses {what}: {}.", end(said)),
            "Ask for what it allows under `resources`, or have the LimitRange changed; `kubectl describe limitranges` shows it.",
        ));
    }
    // An answer that did not come, not a refusal.
    if let Some((_, rest)) = message.split_once("failed calling webhook ") {
        let (name, why) = rest.split_once(": ").unwrap_or((rest, ""));
        return Some(problem::CLUSTER_UNFIT.problem(
            format!("The cluster asks the webhook {name} about {what}, and it does not answer: {}.", end(why)),
            "Have its service brought back, or its configuration taken out (`kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations`). It is tried again.",
        ));
    }
    let is_policy = message.contains("ValidatingAdmissionPolicy '")
        || message.contains("admission webhook \"") && message.contains("denied the request");
    if is_policy {
        return Some(problem::CLUSTER_POLICY.problem(
            format!("The cluster's own rules refuse {what}: {}.", end(said)),
            "Change what the message names, or ask whoever runs the cluster for an exception.",
        ));
    }
    if message.contains("because it is being terminated") {
        return Some(problem::CONFLICT.problem(
            format!("The namespace is being deleted: {what} cannot be made in it."),
            "It is tried again, and made once the namespace is gone. `kubectl describe namespace` tells what holds it up.",
        ));
    }
    None
}

/// Without the object's name, which nobody chose.
fn said(message: &str) -> &str {
    for (before, keep) in [("is forbidden: ", 0), ("admission webhook \"", 19)] {
        if let Some(at) = message.find(before) {
            return &message[at + before.len() - keep..];
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::admission;

    fn check(message: &str, expected: Expect) {
        let shown = admission("web's pods", message).map_or_else(String::new, |problem| {
            format!("{}\n{}\n{}\n", problem.code, problem.cause, problem.remedy)
        });
        expected.assert_eq(&shown);
    }

    #[test]
    fn refusals_are_worded() {
        check(
            r#"pods "shop--web-5d4-x" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=2, limited: pods=2"#,
            expect![[r#"
                cluster.quota
                The quota compute of the namespace leaves no room for web's pods: requested: pods=1, used: pods=2, limited: pods=2.
                Free something in the namespace, ask for less under `resources`, or have the ResourceQuota raised. It is tried again.
            "#]],
        );
        check(
            r#"pods "shop--web-5d4-x" is forbidden: failed quota: compute: must specify limits.cpu for: main; limits.memory for: main"#,
            expect![[r#"
                cluster.policy
                The quota compute of the namespace wants web's pods to say what it needs: it must specify limits.cpu for: main; limits.memory for: main.
                Say it under `resources` (`cpu` and `memory`, each with `request` and `limit`), then deploy again.
            "#]],
        );
        check(
            r#"create Pod shop--db-0 in StatefulSet shop--db failed error: pods "shop--db-0" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true (pod or container "main" must set securityContext.runAsNonRoot=true)"#,
            expect![[r#"
                cluster.policy
                The namespace's pod security standard refuses web's pods: it violates PodSecurity "restricted:latest": runAsNonRoot != true (pod or container "main" must set securityContext.runAsNonRoot=true).
                Take out what the message names, or have the namespace's label pod-security.kubernetes.io/enforce changed by whoever runs the cluster.
            "#]],
        );
        check(
            r#"Error creating: pods "shop--web-5d4-x" is forbidden: maximum memory usage per Container is 64Mi, but limit is 1Gi"#,
            expect![[r#"
                cluster.policy
                A LimitRange of the namespace refuses web's pods: maximum memory usage per Container is 64Mi, but limit is 1Gi.
                Ask for what it allows under `resources`, or have the LimitRange changed; `kubectl describe limitranges` shows it.
            "#]],
        );
        check(
            r#"Internal error occurred: failed calling webhook "rules.example.com": failed to call webhook: Post "https://rules.example.svc:443/?timeout=10s": service "rules" not found"#,
            expect![[r#"
                cluster.unfit
                The cluster asks the webhook "rules.example.com" about web's pods, and it does not answer: failed to call webhook: Post "https://rules.example.svc:443/?timeout=10s": service "rules" not found.
                Have its service brought back, or its configuration taken out (`kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations`). It is tried again.
            "#]],
        );
        check(
            r#"admission webhook "rules.example.com" denied the request: images come from registry.example.com only"#,
            expect![[r#"
                cluster.policy
                The cluster's own rules refuse web's pods: admission webhook "rules.example.com" denied the request: images come from registry.example.com only.
                Change what the message names, or ask whoever runs the cluster for an exception.
            "#]],
        );
        check(
            r#"pods "shop--web-5d4-x" is forbidden: ValidatingAdmissionPolicy 'rules' with binding 'rules' denied request: a team is wanted"#,
            expect![[r#"
                cluster.policy
                The cluster's own rules refuse web's pods: ValidatingAdmissionPolicy 'rules' with binding 'rules' denied request: a team is wanted.
                Change what the message names, or ask whoever runs the cluster for an exception.
            "#]],
        );
        check(
            "the server is currently unable to handle the request",
            expect![""],
        );
    }
}
