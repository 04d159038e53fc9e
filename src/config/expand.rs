//! `${NAME}` and `${NAME:-default}` in the strings of a file.

/// Replaces every `${NAME}` by what `variable` gives and `${NAME:-default}` likewise, or by the default
/// where the variable is unset or empty. `$${` stands for `${`; any other `$` for itself. What a variable
/// holds is not expanded again.
///
/// # Errors
/// A sentence to be read after the key: the variable is unset, or this is no such expression.
pub(super) fn expand(
    text: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.push_str(&rest[..at]);
            out.push('{');
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let (inner, after) = rest[at + 2..].split_once('}').ok_or_else(|| {
            format!("has `${{` without `}}` in {text:?}; `$${{` stands for `${{`")
        })?;
        out.push_str(&one(inner, &variable)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// What stands between the braces.
fn one(inner: &str, variable: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(good)
    {
        return Err(format!("has `${{{inner}}}`, and {name:?} is no name of a variable"));
    }
    if default.is_some_and(|default| default.contains("${")) {
        return Err(format!("has a `${{` inside the default of `{name}`, which is not possible"));
    }
    match (variable(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_string()),
        (None, None) => Err(format!(
            "needs the environment variable `{name}`, which is not set; \
             set it or write `${{{name}:-default}}`"
        )),
    }
}

/// A text that [`expand`] turns into the given one.
pub(super) fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn with(text: &str) -> Result<String, String> {
        expand(text, |name| match name {
            "A" => Some("one".into()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${A}".into()),
            _ => None,
        })
    }

    #[test]
    fn variables_and_defaults_are_replaced() {
        for (text, expected) in [
            ("/x/${A}/${A}", "/x/one/one"),
            ("${NO:-two}${A:-no}", "twoone"),
            ("${EMPTY:-two}|${EMPTY}", "two|"),
            ("${NO:-}", ""),
            ("$A $ $$ } {", "$A $ $$ } {"),
            ("$${A} ${A}", "${A} one"),
            ("${NESTED}", "${A}"),
            ("${NO:-a:-b}", "a:-b"),
        ] {
            assert_eq!(with(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_replaced_is_an_error_that_names_it() {
        for (text, part) in [
            ("${NO}", "`NO`, which is not set"),
            ("${A", "without `}`"),
            ("${}", "no name"),
            ("${1A}", "no name"),
            ("${A-b}", "no name"),
            ("${NO:-${A}}", "inside the default of `NO`"),
        ] {
            let error = with(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn an_escaped_text_expands_to_itself(text in "[$\\{\\}a:-]{0,12}|.*") {
            prop_assert_eq!(expand(&escape(&text), |_| None), Ok(text));
        }

        #[test]
        fn no_text_panics(text in "[$\\{\\}A:-]{0,12}|.*") {
            let _ = with(&text);
        }
    }
}
