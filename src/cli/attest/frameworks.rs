//! What a log of this kind shows for requirements that auditors ask about, and what it cannot show. Numbers after
//! PCI DSS 4.0.1, the AICPA's 2017 Trust Services Criteria (points of focus of 2022), ISO/IEC 27001:2022 Annex A,
//! 45 CFR 164, the Sarbanes-Oxley Act, and Directive 2014/65/EU with Delegated Regulations (EU) 2017/565 and 2017/574.

/// A standard or a law.
pub(super) struct Framework {
    pub name: &'static str,
    pub about: &'static str,
    pub lines: &'static [Line],
}

/// One of its requirements.
pub(super) struct Line {
    pub number: &'static str,
    pub asks: &'static str,
    pub shows: &'static str,
    pub lacks: &'static str,
}

/// All that the page maps.
pub(super) const FRAMEWORKS: [Framework; 6] = [
    Framework {
        name: "PCI DSS 4.0.1, Requirement 10",
        about: "Log and monitor all access to system components and cardholder data",
        lines: &PCI,
    },
    Framework {
        name: "SOC 2, common criteria CC7",
        about: "AICPA Trust Services Criteria, system operations",
        lines: &SOC2,
    },
    Framework { name: "ISO/IEC 27001:2022, Annex A", about: "Technological controls", lines: &ISO },
    Framework { name: "HIPAA Security Rule", about: "45 CFR part 164, subpart C", lines: &HIPAA },
    Framework {
        name: "Sarbanes-Oxley Act",
        about: "Records behind financial reporting in the United States",
        lines: &SOX,
    },
    Framework {
        name: "MiFID II",
        about: "Directive 2014/65/EU; check which technical standards are in force for your firm",
        lines: &MIFID,
    },
];

const PCI: [Line; 9] = [
    Line {
        number: "10.2.1",
        asks: "Audit logs are on for all components, and record access to card data, acts of administrators, access to the logs, failed logins, changes of accounts, starts and stops of logging, and creation and deletion of system objects.",
        shows: "Whatever the systems sent, without loss after acknowledgement. Starts, stops and crashes of this log itself, refused lines, changes of its configuration (10.2.1.6).",
        lacks: "Whether every component sends its events, and all kinds of them. Who read the log files.",
    },
    Line {
        number: "10.2.2",
        asks: "Each entry says who, what kind, when, whether it succeeded, from where, and what it was about.",
        shows: "A time and the sending process, user and service as the kernel reported them, for each line. Who, what, outcome, origin and target, where the sender stated them.",
        lacks: "That senders state them all, and truly. The setting “[ingest] require” can refuse events without them.",
    },
    Line {
        number: "10.3.1",
        asks: "Only those who need it can read the logs.",
        shows: "Nothing on this page. The files are made readable for one group only.",
        lacks: "Who is in that group, and who has copies.",
    },
    Line {
        number: "10.3.2",
        asks: "Individuals cannot modify the logs.",
        shows: "The verdict: a line that was changed, removed, added or moved is found. Files are written by one service user only.",
        lacks: "Prevention: an administrator of the host can destroy the files. What was cut off since the last anchor.",
    },
    Line {
        number: "10.3.3",
        asks: "Logs are promptly backed up to a central, secure place.",
        shows: "Which part something off the host vouches for (section on anchors).",
        lacks: "That the log itself is copied elsewhere. An anchor proves a copy, it does not replace one.",
    },
    Line {
        number: "10.3.4",
        asks: "Change detection on the logs raises an alert when existing data is changed.",
        shows: "This verification finds each change, also of the database, and names the place.",
        lacks: "That it runs regularly, and that somebody is alerted by its exit code.",
    },
    Line {
        number: "10.4.1 to 10.4.3",
        asks: "Logs are reviewed, daily where it matters, by automated means; exceptions are dealt with.",
        shows: "Counts of events in the period, and the findings.",
        lacks: "Any review, and what came of it.",
    },
    Line {
        number: "10.5.1",
        asks: "Logs are kept for 12 months, the last three at once available.",
        shows: "From when to when the log reaches, that nothing in between is missing, and what retention deleted by which rule.",
        lacks: "Anything before the first line that is there.",
    },
    Line {
        number: "10.6.1 to 10.6.3, 10.7.2",
        asks: "Clocks are synchronised and protected; failures of logging are detected and dealt with.",
        shows: "Each step of the clock by more than a second, each stop and crash of the log, silent gaps.",
        lacks: "Where the host takes its time from, and how far it is off. That somebody reacted.",
    },
];

const SOC2: [Line; 2] = [
    Line {
        number: "CC7.2",
        asks: "System components are monitored for anomalies that point to malicious acts, disasters or errors; anomalies are analysed.",
        shows: "A record of events whose integrity can be checked by anybody, and anomalies of the log itself: damage, gaps, clock steps, refused lines.",
        lacks: "The monitoring: rules, thresholds, alerts, and people who follow them.",
    },
    Line {
        number: "CC7.3",
        asks: "Security events are evaluated as to whether they are incidents, and acted upon.",
        shows: "Evidence to evaluate: order, time bracket and sender of each event, which nobody can have changed unnoticed in the part that is vouched for.",
        lacks: "The evaluation and the decision.",
    },
];

const ISO: [Line; 2] = [
    Line {
        number: "A.8.15 Logging",
        asks: "Logs of activities, exceptions and faults are produced, stored, protected and analysed.",
        shows: "Production (counts, first and last time), storage (files, sums, gaps, deletions) and protection (the verdict).",
        lacks: "What the organisation decided to log, and the analysis.",
    },
    Line {
        number: "A.8.17 Clock synchronization",
        asks: "Clocks of the systems are synchronised to approved time sources.",
        shows: "That time only went forward except for the steps listed, by comparison with the kernel’s clock since boot.",
        lacks: "That the time was right: no time source was consulted.",
    },
];

const HIPAA: [Line; 3] = [
    Line {
        number: "164.312(b) Audit controls",
        asks: "Mechanisms record and examine activity in systems with electronic health information.",
        shows: "The recording: events, their senders, their order, and that they are unchanged.",
        lacks: "That the systems concerned send their events, and the examining.",
    },
    Line {
        number: "164.312(c)(1) Integrity",
        asks: "Health information is protected from improper alteration or destruction.",
        shows: "Integrity of the log about it, not of the information itself.",
        lacks: "Everything outside the log. Events may themselves hold health information: that has to be decided and protected.",
    },
    Line {
        number: "164.316(b)(2)(i) Time limit",
        asks: "Required documentation is kept for six years.",
        shows: "How far back the log reaches, and what retention deleted.",
        lacks: "Whether these logs count as such documentation, and a promise for the future.",
    },
];

const SOX: [Line; 2] = [
    Line {
        number: "Section 404 (IT general controls)",
        asks: "Management assesses internal control over financial reporting, and with it access to and changes of the systems behind it.",
        shows: "Evidence for such controls: who did what and when, as far as it was sent here, with proof that it was not altered afterwards.",
        lacks: "The controls themselves, their design, and whether they worked.",
    },
    Line {
        number: "Section 802 (18 U.S.C. 1519, 1520)",
        asks: "Records that matter for an investigation or an audit are not altered or destroyed; auditors keep theirs for years (17 CFR 210.2-06: seven).",
        shows: "That the log was not altered, or where it was; each deletion by retention, with its rule and its time.",
        lacks: "Legal holds, and records kept elsewhere.",
    },
];

const MIFID: [Line; 3] = [
    Line {
        number: "Article 16(6), 16(7)",
        asks: "Records of services, activities and transactions, and of communications about them, are kept so that the authority can check the firm; five years, up to seven on request.",
        shows: "For what was sent here: the sequence of events without gaps, and how far back it reaches.",
        lacks: "Which records the firm has to keep, recordings of calls, and that they all pass through this log.",
    },
    Line {
        number: "Regulation 2017/565, Article 72",
        asks: "Records cannot be manipulated or altered; corrections, and what stood before, can be seen.",
        shows: "That lines are only ever appended: a correction is a later line, and the former one stays.",
        lacks: "That a correction refers to what it corrects.",
    },
    Line {
        number: "Article 50 and RTS 25 (Regulation 2017/574)",
        asks: "Business clocks follow UTC within a bound that depends on the activity, at most one second to 100 microseconds off, with documented traceability.",
        shows: "Times of the log with nanosecond digits, and each step of more than a second.",
        lacks: "Divergence from UTC, and traceability. The time is when the line was committed, not when the order was handled.",
    },
];
