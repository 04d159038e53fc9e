//! What to begin with.

use data_encoding::BASE64;

/// Texts with so many bytes before them that say how they are to be used.
fn after(numbers: &[u8], texts: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let with = |text: Vec<u8>| [numbers, &text].concat();
    texts.into_iter().map(with).collect()
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub fn config() -> Vec<Vec<u8>> {
    let reference = include_str!("../../config/auditlogd.toml");
    let set = reference.lines().map(|line| match line.strip_prefix('#') {
        Some(set) if set.contains(" = ") && !set.starts_with(' ') => set,
        _ => line,
    });
    let sections = set.collect::<Vec<_>>().join("\n");
    let mut all: Vec<_> =
        sections.split("\n# ----").map(|part| format!("#{part}").into_bytes()).collect();
    all.extend(texts(&[
        "[ingest]\nmax_event_bytes = 2048\nrequire = [\"actor\"]\n",
        "[[retention]]\nevent_type = \"auth.*\"\nkeep_days = 7\n",
        "[fields]\npreset = \"ecs\"\nactor = [\"/user/name\", \"/a/0\"]\n",
    ]));
    all
}

pub fn event() -> Vec<Vec<u8>> {
    let suite = include_str!("../json_suite/parsing").lines();
    let text = |line: &str| BASE64.decode(line.split_once(' ').expect("two words").1.as_bytes());
    let mut all: Vec<_> = suite.map(|line| text(line).expect("base64")).collect();
    all.extend(texts(&[
        r#"{"event_type":"auth.login","priority":"warning","actor":{"id":7},"outcome":true,"duration_ms":1.5}"#,
        r#"{"timestamp":"2026-11-21T01:23:45Z","ts":1700000000.5,"event_id":"x\u2028y","e":{"c":false},"a":[{"b":1}]}"#,
        r#"{"auditlog":{"ack":true}}"#,
    ]));
    all
}

pub fn filter() -> Vec<Vec<u8>> {
    after(
        &[0; 8],
        texts(&[
            "auth.*\na'b\n100%\nlogin",
            "\n\n\na_b\n",
            "auth.\n",
            "yesterday\n@1\n14:30\n2026-11-21",
            "\n\n\n\\\n*",
        ]),
    )
}

pub fn framing() -> Vec<Vec<u8>> {
    after(
        &[7; 6],
        texts(&[
            "a\n\nbb\r\n",
            "ü\u{2028}\n",
            &"x".repeat(2000),
            &format!("{}\ny\n", "x".repeat(7000)),
        ]),
    )
}

pub fn line() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../fuzz/seeds/line/event").to_vec(),
        include_bytes!("../../fuzz/seeds/line/seal").to_vec(),
    ]
}

pub fn note() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../fuzz/seeds/note/checkpoint").to_vec(),
        include_bytes!("../../fuzz/seeds/note/journal").to_vec(),
    ]
}

pub fn proof() -> Vec<Vec<u8>> {
    vec![include_bytes!("../../fuzz/seeds/proof/proof").to_vec()]
}

pub fn protocol() -> Vec<Vec<u8>> {
    let mut all = after(&[7; 4], event());
    all.extend(after(&[7; 4], texts(&[
        "{\"auditlog\":{\"ack\":true}}\n{\"a\":1}\nnonsense\n{\"a\":2}\n",
        "\n \n{\"auditlog\":{\"ack\":true}}\n\n[1]\n{\"event_type\":\"auditlogd.x\"}\n{\"a\":1,\"a\":2}\n{\"b\":",
        &format!("{{\"auditlog\":{{\"ack\":true}}}}\n{{\"a\":\"{}\"}}\n{{\"b\":1}}", "x".repeat(1100)),
    ])));
    all
}

pub fn retention() -> Vec<Vec<u8>> {
    texts(&["auth.login\nalice\nauth.*\n*\n*.login\na*h*n", "a\nb\na\nb", "{\"keep_days\":90}"])
}

pub fn seal() -> Vec<Vec<u8>> {
    vec![include_bytes!("../../fuzz/seeds/seal/seal").to_vec()]
}

pub fn state() -> Vec<Vec<u8>> {
    vec![Vec::new(), vec![0; 100], b"ALSTATE1".to_vec()]
}
