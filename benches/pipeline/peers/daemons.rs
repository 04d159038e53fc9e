//! The peers: how each is started, and what it is told to do. `{dir}` is a directory of the run, `{packages}` where
//! the packages are unpacked. Except for what is written here they run with their defaults.

/// A daemon that takes lines from `{dir}/in` and writes them to `{dir}/out`.
pub struct Peer {
    pub name: &'static str,
    pub program: &'static str,
    pub args: &'static [&'static str],
    pub config: &'static str,
}

/// Where their libraries are.
pub const LIBRARIES: &str = "{packages}/usr/lib/x86_64-linux-gnu:{packages}/lib/x86_64-linux-gnu:{packages}/usr/lib/syslog-ng";

const RSYSLOG: &str = "{packages}/usr/sbin/rsyslogd";
const RSYSLOG_ARGS: &[&str] = &[
    "-n",
    "-f",
    "{dir}/conf",
    "-i",
    "{dir}/pid",
    "-M",
    "{packages}/usr/lib/x86_64-linux-gnu/rsyslog",
];
const SYSLOG_NG: &str = "{packages}/usr/sbin/syslog-ng";
const SYSLOG_NG_ARGS: &[&str] = &[
    "--foreground",
    "--no-caps",
    "--cfgfile={dir}/conf",
    "--persist-file={dir}/persist",
    "--pidfile={dir}/pid",
    "--control={dir}/control",
    "--module-path={packages}/usr/lib/syslog-ng/3.38",
];

pub const ALL: [Peer; 5] = [
    Peer {
        name: "rsyslog, text untouched, to a file",
        program: RSYSLOG,
        args: RSYSLOG_ARGS,
        config: r#"
module(load="imptcp")
template(name="event" type="string" string="%rawmsg%\n")
ruleset(name="events") {
    action(type="omfile" file="{dir}/out" template="event")
}
input(type="imptcp" path="{dir}/in" ruleset="events")
"#,
    },
    Peer {
        name: "rsyslog, JSON parsed, to a file",
        program: RSYSLOG,
        args: RSYSLOG_ARGS,
        config: r#"
module(load="imptcp")
module(load="mmjsonparse")
template(name="event" type="string" string="%$!all-json%\n")
ruleset(name="events") {
    action(type="mmjsonparse" cookie="" useRawMsg="on")
    action(type="omfile" file="{dir}/out" template="event")
}
input(type="imptcp" path="{dir}/in" ruleset="events")
"#,
    },
    Peer {
        name: "syslog-ng, text untouched, to a file",
        program: SYSLOG_NG,
        args: SYSLOG_NG_ARGS,
        config: r#"@version: 3.38
source events { unix-stream("{dir}/in" flags(no-parse) max-connections(64) log-iw-size(64000)); };
destination sink { file("{dir}/out" template("$MSG\n") log-fifo-size(100000)); };
log { source(events); destination(sink); flags(flow-control); };
"#,
    },
    Peer {
        name: "syslog-ng, text untouched, to a file, fsync",
        program: SYSLOG_NG,
        args: SYSLOG_NG_ARGS,
        config: r#"@version: 3.38
source events { unix-stream("{dir}/in" flags(no-parse) max-connections(64) log-iw-size(64000)); };
destination sink { file("{dir}/out" template("$MSG\n") log-fifo-size(100000) fsync(yes)); };
log { source(events); destination(sink); flags(flow-control); };
"#,
    },
    Peer {
        name: "syslog-ng, JSON parsed, to a file",
        program: SYSLOG_NG,
        args: SYSLOG_NG_ARGS,
        config: r#"@version: 3.38
source events { unix-stream("{dir}/in" flags(no-parse) max-connections(64) log-iw-size(64000)); };
parser json { json-parser(prefix(".e.")); };
destination sink { file("{dir}/out" template("$(format-json .e.* --shift-levels 2)\n") log-fifo-size(100000)); };
log { source(events); parser(json); destination(sink); flags(flow-control); };
"#,
    },
];
