//! The vocabularies that existing JSON loggers speak, as lists of pointers, best first.
//!
//! A preset speaks its own vocabulary only: names mean other things elsewhere (`source` is an object in
//! ECS, `level` how much is audited in Kubernetes), so the built-in ones are not added.

use super::Fields;
use super::error::did_you_mean;
use crate::event::{Column, builtin_pointers};

/// A vocabulary.
pub(super) struct Preset {
    name: &'static str,
    /// `None`: the built-in lists.
    lists: Option<&'static [(Column, &'static [&'static str])]>,
    failure_if_present: &'static [&'static str],
}

/// The vocabulary of the socket protocol.
pub(super) const DEFAULT: Preset = Preset { name: "default", lists: None, failure_if_present: &[] };

const ALL: [Preset; 5] = [DEFAULT, CLOUDTRAIL, ECS, OCSF, KUBERNETES];

/// AWS CloudTrail records, one a line. A record says that something failed by having an error, except
/// for sign-ins, which say how they went in the response.
const CLOUDTRAIL: Preset = Preset {
    name: "cloudtrail",
    lists: Some(&[
        (Column::EventType, &["/eventName"]),
        (Column::Source, &["/eventSource"]),
        (
            Column::Actor,
            &[
                "/userIdentity/arn",
                "/userIdentity/userName",
                "/userIdentity/principalId",
                "/userIdentity/invokedBy",
                "/userIdentity/accountId",
            ],
        ),
        (Column::Action, &["/errorMessage", "/eventType"]),
        (
            Column::Outcome,
            &[
                "/responseElements/ConsoleLogin",
                "/responseElements/SwitchRole",
                "/responseElements/CheckMfa",
                "/responseElements/PasswordUpdated",
            ],
        ),
        (
            Column::Target,
            &[
                "/resources/0/ARN",
                "/requestParameters/bucketName",
                "/requestParameters/roleArn",
                "/requestParameters/roleName",
                "/requestParameters/userName",
                "/requestParameters/groupName",
                "/requestParameters/policyArn",
                "/requestParameters/functionName",
                "/requestParameters/instanceId",
                "/requestParameters/secretId",
                "/requestParameters/keyId",
                "/requestParameters/trailName",
                "/requestParameters/name",
            ],
        ),
        (Column::ClientIp, &["/sourceIPAddress"]),
        (Column::SessionId, &["/userIdentity/accessKeyId"]),
        (Column::CorrelationId, &["/requestID", "/sharedEventID"]),
        (Column::EventId, &["/eventID"]),
        (Column::Timestamp, &["/eventTime"]),
    ]),
    failure_if_present: &["/errorCode", "/errorMessage"],
};

/// Elastic Common Schema, nested or with dotted keys. `event.duration` is in nanoseconds, and
/// `event.severity` has each source's own scale, so neither has a column.
const ECS: Preset = Preset {
    name: "ecs",
    lists: Some(&[
        (
            Column::EventType,
            &[
                "/event/action",
                "/event.action",
                "/event/code",
                "/event.code",
                "/event/dataset",
                "/event.dataset",
            ],
        ),
        (
            Column::Priority,
            &["/log/syslog/severity/code", "/log.syslog.severity.code", "/log/level", "/log.level"],
        ),
        (
            Column::Source,
            &[
                "/service/name",
                "/service.name",
                "/event/provider",
                "/event.provider",
                "/event/module",
                "/event.module",
                "/process/name",
                "/process.name",
            ],
        ),
        (
            Column::Actor,
            &[
                "/user/name",
                "/user.name",
                "/user/id",
                "/user.id",
                "/user/email",
                "/user.email",
                "/client/user/name",
                "/client.user.name",
                "/source/user/name",
                "/source.user.name",
            ],
        ),
        (Column::Action, &["/message", "/event/reason", "/event.reason"]),
        (
            Column::Outcome,
            &[
                "/event/outcome",
                "/event.outcome",
                "/http/response/status_code",
                "/http.response.status_code",
            ],
        ),
        (
            Column::Target,
            &[
                "/user/target/name",
                "/user.target.name",
                "/file/path",
                "/file.path",
                "/url/full",
                "/url.full",
                "/url/path",
                "/url.path",
                "/destination/address",
                "/destination.address",
            ],
        ),
        (Column::ClientIp, &["/client/ip", "/client.ip", "/source/ip", "/source.ip"]),
        (Column::SessionId, &["/session/id", "/session.id"]),
        (
            Column::CorrelationId,
            &[
                "/trace/id",
                "/trace.id",
                "/transaction/id",
                "/transaction.id",
                "/http/request/id",
                "/http.request.id",
            ],
        ),
        (Column::Operation, &["/transaction/name", "/transaction.name"]),
        (Column::EventId, &["/event/id", "/event.id"]),
        (Column::Timestamp, &["/@timestamp", "/event/created", "/event.created"]),
    ]),
    failure_if_present: &[],
};

/// Open Cybersecurity Schema Framework. Severities by name only: `severity_id` counts the other way round
/// than syslog.
const OCSF: Preset = Preset {
    name: "ocsf",
    lists: Some(&[
        (Column::EventType, &["/type_name", "/class_name"]),
        (Column::Priority, &["/severity"]),
        (
            Column::Source,
            &["/metadata/product/name", "/metadata/product/vendor_name", "/metadata/log_name"],
        ),
        (
            Column::Actor,
            &[
                "/actor/user/name",
                "/actor/user/uid",
                "/actor/app_name",
                "/actor/invoked_by",
                "/user/name",
                "/user/uid",
                "/actor/process/name",
            ],
        ),
        (Column::Action, &["/message", "/status_detail"]),
        (Column::Outcome, &["/status"]),
        (
            Column::Target,
            &[
                "/resources/0/uid",
                "/resources/0/name",
                "/resource/uid",
                "/resource/name",
                "/file/path",
                "/entity/uid",
                "/entity/name",
                "/service/name",
                "/dst_endpoint/hostname",
                "/dst_endpoint/ip",
            ],
        ),
        (Column::ClientIp, &["/src_endpoint/ip"]),
        (Column::SessionId, &["/session/uid", "/actor/session/uid"]),
        (Column::CorrelationId, &["/metadata/correlation_uid", "/api/request/uid"]),
        (Column::Operation, &["/api/operation", "/activity_name"]),
        (Column::DurationMs, &["/duration"]),
        (Column::EventId, &["/metadata/uid"]),
        (Column::Timestamp, &["/time", "/time_dt"]),
    ]),
    failure_if_present: &[],
};

/// Kubernetes audit events (`audit.k8s.io/v1`). The `auditID` is the same in every stage of a request:
/// it says what belongs together and must not be taken for the id of one event.
const KUBERNETES: Preset = Preset {
    name: "kubernetes",
    lists: Some(&[
        (Column::EventType, &["/verb"]),
        (Column::Source, &["/apiVersion"]),
        (Column::Actor, &["/user/username", "/user/uid"]),
        (Column::Action, &["/responseStatus/message", "/stage"]),
        (
            Column::Outcome,
            &[
                "/responseStatus/code",
                "/responseStatus/status",
                "/annotations/authorization.k8s.io~1decision",
            ],
        ),
        (Column::Target, &["/requestURI", "/objectRef/name", "/objectRef/resource"]),
        (Column::ClientIp, &["/sourceIPs/0"]),
        (Column::SessionId, &["/user/extra/authentication.kubernetes.io~1credential-id/0"]),
        (Column::CorrelationId, &["/auditID"]),
        (Column::Operation, &["/objectRef/subresource", "/objectRef/resource"]),
        (Column::Timestamp, &["/stageTimestamp", "/requestReceivedTimestamp"]),
    ]),
    failure_if_present: &[],
};

/// The preset of that name, or what is wrong with the name, to be read after the key.
pub(super) fn find(name: &str) -> Result<&'static Preset, String> {
    const { &ALL }.iter().find(|preset| preset.name == name).ok_or_else(|| {
        let hint = did_you_mean(name, ALL.iter().map(|preset| preset.name));
        let names = ALL.map(|preset| preset.name).join(", ");
        format!("must be one of {names}, not {name:?}{hint}")
    })
}

impl Preset {
    /// `[fields]` with this preset and nothing else.
    pub(super) fn fields(&self) -> Fields {
        let owned = |list: &[&str]| list.iter().map(|p| p.to_string()).collect::<Vec<_>>();
        let pointers = match self.lists {
            None => builtin_pointers(),
            Some(lists) => Column::ALL
                .map(|column| {
                    let list = lists.iter().find(|(c, _)| *c == column);
                    (
                        column.name().to_string(),
                        list.map(|(_, list)| owned(list)).unwrap_or_default(),
                    )
                })
                .to_vec(),
        };
        let failure_if_present = owned(self.failure_if_present);
        Fields { preset: self.name.to_string(), pointers, failure_if_present }
    }
}
