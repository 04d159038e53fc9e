//! What was measured: one table on the terminal, and the same as JSON.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// One figure.
pub struct Row {
    pub name: String,
    pub value: f64,
    pub unit: &'static str,
    /// The baseline's letter, and how many times as much this is.
    pub ratio: Option<(char, f64)>,
    pub goals: Vec<Goal>,
    /// What else is to be said.
    pub note: String,
}

/// What a figure should be.
pub struct Goal {
    pub text: String,
    pub met: bool,
}

impl Row {
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        let (name, note) = (name.into(), String::new());
        Self { name, value, unit, ratio: None, goals: Vec::new(), note }
    }

    /// The same with a remark.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// The same with its ratio to a baseline.
    pub fn beside(mut self, letter: char, baseline: f64) -> Self {
        self.ratio = Some((letter, self.value / baseline));
        self
    }

    /// The value should be at least this, on the machine that the goals were set for.
    pub fn at_least(self, least: f64) -> Self {
        let met = self.value >= least;
        let text = format!("at least {} {}", figure(least), self.unit);
        self.goal(text, met)
    }

    /// The value should be at most this.
    pub fn at_most(self, most: f64) -> Self {
        let met = self.value <= most;
        let text = format!("at most {} {}", figure(most), self.unit);
        self.goal(text, met)
    }

    /// The ratio should be at least this.
    pub fn ratio_at_least(self, least: f64) -> Self {
        let (letter, ratio) = self.ratio.expect("it has a baseline");
        self.goal(format!("at least {least} x ({letter})"), ratio >= least)
    }

    /// The ratio should be at most this.
    pub fn ratio_at_most(self, most: f64) -> Self {
        let (letter, ratio) = self.ratio.expect("it has a baseline");
        self.goal(format!("at most {most} x ({letter})"), ratio <= most)
    }

    /// Any other goal.
    pub fn goal(mut self, text: impl Into<String>, met: bool) -> Self {
        self.goals.push(Goal { text: text.into(), met });
        self
    }

    fn json(&self) -> Value {
        let goals = self.goals.iter().map(|goal| json!({ "goal": goal.text, "met": goal.met }));
        json!({
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "baseline": self.ratio.map(|(letter, _)| letter.to_string()),
            "ratio": self.ratio.map(|(_, ratio)| ratio),
            "goals": goals.collect::<Vec<_>>(),
            "note": self.note,
        })
    }
}

/// All figures, under headings.
#[derive(Default)]
pub struct Table {
    sections: Vec<(String, Vec<Row>)>,
}

impl Table {
    pub fn section(&mut self, heading: impl Into<String>, rows: Vec<Row>) {
        self.sections.push((heading.into(), rows));
    }

    /// Says nothing of goals.
    pub fn forget_goals(&mut self) {
        let rows = self.sections.iter_mut().flat_map(|(_, rows)| rows);
        rows.for_each(|row| row.goals.clear());
    }

    /// For people.
    pub fn print(&self) {
        for (heading, rows) in &self.sections {
            println!("\n{heading}");
            for row in rows {
                let ratio = row.ratio.map(|(letter, ratio)| format!("{ratio:.2} x ({letter})"));
                let goal = |goal: &Goal| match goal.met {
                    true => format!("met: {}", goal.text),
                    false => format!("NOT met: {}", goal.text),
                };
                let mut remarks: Vec<_> = row.goals.iter().map(goal).collect();
                remarks.extend((!row.note.is_empty()).then(|| row.note.clone()));
                let line = format!(
                    "  {:<52}{:>11} {:<10}{:>12}  {}",
                    row.name,
                    figure(row.value),
                    row.unit,
                    ratio.unwrap_or_default(),
                    remarks.join("; ")
                );
                println!("{}", line.trim_end());
            }
        }
    }

    /// For programs: writes `<target>/NAME` and returns its path.
    pub fn write(&self, name: &str, about: Value) -> PathBuf {
        let sections = self.sections.iter().map(|(heading, rows)| {
            json!({ "heading": heading, "rows": rows.iter().map(Row::json).collect::<Vec<_>>() })
        });
        let all = json!({ "about": about, "sections": sections.collect::<Vec<_>>() });
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in target/");
        let path = target.join(name);
        let text = serde_json::to_string_pretty(&all).expect("is written");
        std::fs::write(&path, text + "\n").expect("target/ can be written");
        path
    }
}

/// Three digits that count, thousands apart.
pub fn figure(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => {
            let digits = format!("{value:.0}");
            let mut out = String::new();
            for (at, digit) in digits.chars().enumerate() {
                if at > 0 && (digits.len() - at).is_multiple_of(3) {
                    out.push(',');
                }
                out.push(digit);
            }
            out
        }
    }
}
