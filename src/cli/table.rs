//! Aligned columns: fitted to the terminal where there is one, whole where there is none.

use std::io::{self, Write};

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, Row, Table as Grid, Width,
};

use super::output::Look;
use super::text::visible;

/// Blanks between two columns.
const GAP: u16 = 2;

/// A column and how it gives way on a narrow terminal.
#[derive(Debug)]
pub(super) struct Column {
    /// Its heading.
    pub name: &'static str,
    /// It is never narrower than that, unless its texts are.
    pub min: u16,
    /// A width that most texts fit in: what a column gets whose texts are still to come.
    pub usual: u16,
    /// Left out in this order, lowest first, when all are at their minimum; 0: never.
    pub drop: u8,
    /// Numbers stand at the right.
    pub right: bool,
}

/// A text and how it looks.
#[derive(Clone, Debug, Default)]
pub(super) struct Field {
    pub text: String,
    pub color: Option<Color>,
    pub attribute: Option<Attribute>,
}

impl Field {
    /// Any text from outside; it is made visible here.
    pub(super) fn new(text: &str) -> Self {
        Self { text: visible(text).into_owned(), ..Self::default() }
    }
}

/// A table that grows by batches of rows.
pub(super) struct Table {
    columns: &'static [Column],
    /// More rows come later: widths must suit them too.
    open: bool,
    /// Texts that are too long go on in the next line, at a blank, instead of being cut.
    wrap: bool,
    /// The widths of the last batch; 0: left out.
    widths: Vec<u16>,
}

impl Table {
    /// A table of these columns. `open`: rows come in as they happen.
    pub(super) fn new(columns: &'static [Column], open: bool) -> Self {
        Self { columns, open, wrap: false, widths: Vec::new() }
    }

    /// A table of few rows, all of whose texts are to be read to their end.
    pub(super) fn wrapping(columns: &'static [Column]) -> Self {
        Self { wrap: true, ..Self::new(columns, false) }
    }

    /// Writes the next rows, the first time below the headings.
    pub(super) fn write(
        &mut self,
        rows: &[Vec<Field>],
        out: &mut dyn Write,
        look: &Look,
    ) -> io::Result<()> {
        let first = self.widths.is_empty();
        self.set_widths(rows, look.width);
        let mut grid = Grid::new();
        grid.load_style(comfy_table::presets::NOTHING);
        if !self.wrap {
            // No blank is special: a text is cut where the column ends.
            grid.set_delimiter('\0');
        }
        match look.color {
            true => grid.enforce_styling().style_text_only(),
            false => _ = grid.force_no_tty(),
        }
        if first {
            let names = self.columns.iter().map(|column| column.name);
            grid.add_row(
                names.map(|n| Cell::new(n).add_attribute(Attribute::Bold)).collect::<Vec<_>>(),
            );
        }
        let height = if self.wrap { usize::MAX } else { 1 };
        for fields in rows {
            let mut row = row(fields);
            row.max_height(height);
            grid.add_row(row);
        }
        self.lay_out(&mut grid);
        for line in grid.lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn set_widths(&mut self, rows: &[Vec<Field>], terminal: Option<u16>) {
        if terminal.is_some() && !self.widths.is_empty() {
            return;
        }
        let mut probe = Grid::new();
        probe.add_row(self.columns.iter().map(|column| column.name).collect::<Vec<_>>());
        rows.iter().for_each(|fields| _ = probe.add_row(row(fields)));
        let mut natural = probe.column_max_content_widths();
        for (i, column) in self.columns.iter().enumerate() {
            let before = self.widths.get(i).copied().unwrap_or(0);
            let usual = if self.open { column.usual } else { 0 };
            natural[i] = natural[i].max(before).max(usual);
            let empty = rows.iter().all(|fields| fields[i].text.is_empty());
            if terminal.is_some() && !self.open && !rows.is_empty() && empty {
                natural[i] = 0;
            }
        }
        self.widths = match terminal {
            Some(width) => fit(self.columns, natural, width),
            None => natural,
        };
    }

    fn lay_out(&self, grid: &mut Grid) {
        let last = self.widths.iter().rposition(|width| *width > 0);
        for (i, (column, width)) in self.columns.iter().zip(&self.widths).enumerate() {
            let Some(shown) = grid.column_mut(i) else { continue };
            let gap = if Some(i) == last { 0 } else { GAP };
            shown.set_padding((0, gap));
            if column.right {
                shown.set_cell_alignment(CellAlignment::Right);
            }
            shown.set_constraint(match width {
                0 => ColumnConstraint::Hidden,
                width => ColumnConstraint::Absolute(Width::Fixed(width + gap)),
            });
        }
    }
}

fn row(fields: &[Field]) -> Row {
    let cells = fields.iter().map(|field| {
        let mut cell = Cell::new(&field.text);
        if let Some(color) = field.color {
            cell = cell.fg(color);
        }
        match field.attribute {
            Some(attribute) => cell.add_attribute(attribute),
            None => cell,
        }
    });
    Row::from(cells.collect::<Vec<_>>())
}

/// Narrows the widest columns until everything fits, then leaves out the least important one, and so on.
fn fit(columns: &[Column], mut widths: Vec<u16>, terminal: u16) -> Vec<u16> {
    for (width, column) in widths.iter_mut().zip(columns) {
        *width = (*width).min(terminal.max(column.min));
    }
    loop {
        let shown = widths.iter().filter(|width| **width > 0).count() as u16;
        let total: u16 = widths
            .iter()
            .fold(0, |sum: u16, w| sum.saturating_add(*w))
            .saturating_add(GAP.saturating_mul(shown.saturating_sub(1)));
        let Some(excess) = total.checked_sub(terminal).filter(|excess| *excess > 0) else {
            return widths;
        };
        let widest =
            (0..widths.len()).filter(|i| widths[*i] > columns[*i].min).max_by_key(|i| widths[*i]);
        if let Some(widest) = widest {
            // Down to the next widest, so that long columns share what has to go.
            let floor = columns[widest].min;
            let others = widths.iter().zip(columns).enumerate();
            let next = others.filter(|(i, (w, c))| *i != widest && **w > c.min);
            let next = next.map(|(_, (w, _))| *w).max().unwrap_or(0);
            let target = next.max(floor).min(widths[widest] - 1);
            widths[widest] -= excess.min(widths[widest] - target);
            continue;
        }
        let least = (0..widths.len())
            .filter(|i| widths[*i] > 0 && columns[*i].drop > 0)
            .min_by_key(|i| columns[*i].drop);
        let Some(least) = least else { return widths };
        widths[least] = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    static COLUMNS: [Column; 4] = [
        Column { name: "SEQ", min: 20, usual: 6, drop: 0, right: true },
        Column { name: "TYPE", min: 6, usual: 10, drop: 0, right: false },
        Column { name: "SOURCE", min: 6, usual: 8, drop: 1, right: false },
        Column { name: "ACTION", min: 8, usual: 20, drop: 2, right: false },
    ];

    fn look(width: Option<u16>) -> Look {
        Look { terminal: width.is_some(), width, ..Look::plain() }
    }

    fn written(table: &mut Table, rows: &[[&str; 4]], look: &Look) -> String {
        let rows: Vec<Vec<Field>> =
            rows.iter().map(|row| row.iter().map(|text| Field::new(text)).collect()).collect();
        let mut out = Vec::new();
        table.write(&rows, &mut out, look).expect("memory takes everything");
        String::from_utf8(out).expect("utf-8")
    }

    #[test]
    fn without_a_terminal_nothing_is_cut_or_left_out() {
        let long = "a text that no terminal of usual size would show as a whole ".repeat(4);
        let mut table = Table::new(&COLUMNS, false);
        let text = written(&mut table, &[["7", "a.b", "", long.trim()]], &look(None));
        assert_eq!(
            text,
            format!("SEQ  TYPE  SOURCE  ACTION\n  7  a.b           {}\n", long.trim())
        );
        let text = written(&mut table, &[["1234", "long.type", "", "x"]], &look(None));
        assert_eq!(text, format!("1234  long.type          x\n"));
    }

    #[test]
    fn texts_that_have_to_be_read_go_on_in_the_next_line() {
        let rows = [["7", "a.b", "", "one two three four"], ["8", "a.b", "", "short"]];
        let text = written(&mut Table::wrapping(&COLUMNS), &rows, &look(Some(20)));
        assert_eq!(
            text,
            "SEQ  TYPE  ACTION\n  7  a.b   one two\n           three\n           four\n  8  a.b   short\n"
        );
    }

    #[test]
    fn on_a_terminal_long_texts_are_cut_and_empty_columns_left_out() {
        let rows = [["7", "a.b", "", "0123456789 0123456789"], ["8", "a.b", "", "short"]];
        let text = written(&mut Table::new(&COLUMNS, false), &rows, &look(Some(24)));
        assert_eq!(text, "SEQ  TYPE  ACTION\n  7  a.b   0123456789 0…\n  8  a.b   short\n");
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let text = written(
            &mut Table::new(&COLUMNS, false),
            &[["1", "監査.ログ", "", "x"], ["2", "a", "", "y"]],
            &look(None),
        );
        assert!(text.ends_with("  1  監査.ログ          x\n  2  a                  y\n"), "{text}");
    }

    #[test]
    fn an_open_table_keeps_its_widths() {
        let mut table = Table::new(&COLUMNS, true);
        let first = written(&mut table, &[["1", "a", "", "x"]], &look(Some(60)));
        let then = written(&mut table, &[["2", "a.much.longer.type", "s", "y"]], &look(Some(60)));
        assert_eq!(first.lines().nth(1), Some("     1  a                     x"));
        assert_eq!(then, "     2  a.much.lo…  s         y\n");
    }

    proptest! {
        #[test]
        fn what_is_shown_fits_as_soon_as_the_fixed_columns_do(
            natural in prop::collection::vec(0_u16.., 4), terminal in 40_u16..400,
        ) {
            let widths = fit(&COLUMNS, natural.clone(), terminal);
            let shown = widths.iter().filter(|w| **w > 0).count() as u64;
            let total = widths.iter().map(|w| u64::from(*w)).sum::<u64>();
            prop_assert!(total + u64::from(GAP) * shown.saturating_sub(1) <= terminal.into());
            for ((width, natural), column) in widths.iter().zip(natural).zip(&COLUMNS) {
                prop_assert!(*width == 0 || *width >= natural.min(column.min));
            }
        }
    }
}
