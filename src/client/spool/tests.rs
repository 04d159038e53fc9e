use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const LIMIT: u64 = 4_000_000;

fn dir() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("spool");
    (dir, path)
}

fn open(path: &Path) -> Spool {
    Spool::open(path, LIMIT, Default::default()).expect("opens").0
}

/// Reads the rest: each event and where it ends.
fn rest(spool: &mut Spool) -> Vec<(String, u64)> {
    let mut events = Vec::new();
    while spool.has_unread() {
        events.extend(spool.next().expect("reads"));
    }
    events.into_iter().map(|(line, end)| (String::from_utf8(line).expect("text"), end)).collect()
}

fn names(spool: &mut Spool) -> Vec<String> {
    rest(spool).into_iter().map(|(line, _)| line).collect()
}

#[test]
fn what_was_not_answered_comes_back_in_its_order_and_an_answered_spool_is_empty() {
    let (_dir, path) = dir();
    let mut spool = open(&path);
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    spool.append(b"a\nb\n", 2).expect("fits");
    spool.append(b"c\n", 1).expect("fits");
    let read = rest(&mut spool);
    spool.answered(read[0].1, 1).expect("noted");
    spool.mark().expect("marked");
    spool.append(b"d\n", 1).expect("fits");
    drop(spool);

    let mut spool = open(&path);
    assert_eq!(spool.events(), 3);
    let read = rest(&mut spool);
    assert_eq!(read.iter().map(|(line, _)| line.as_str()).collect::<Vec<_>>(), ["b", "c", "d"]);
    spool.answered(read[2].1, 3).expect("noted");
    assert_eq!((spool.events(), fs::metadata(&path).expect("there").len()), (0, 0));
    spool.append(b"e\n", 1).expect("fits");
    assert_eq!(names(&mut spool), ["e"]);
}

#[test]
fn a_torn_last_line_is_left_out_and_told_whatever_of_it_is_there() {
    let (_dir, path) = dir();
    let mut spool = open(&path);
    spool.append(b"{\"n\":1}\n{\"n\":2}\n", 2).expect("fits");
    drop(spool);
    let whole = fs::read(&path).expect("reads");
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).expect("writes");
        let (mut spool, torn) = Spool::open(&path, LIMIT, Default::default()).expect("opens");
        let lines = whole[..cut].split_inclusive(|b| *b == b'\n').filter(|l| l.ends_with(b"\n"));
        let events = lines.clone().count().saturating_sub(1);
        assert_eq!(torn as usize, cut - lines.map(<[u8]>::len).sum::<usize>(), "{cut}");
        assert_eq!(spool.events() as usize, events, "{cut}");
        spool.append(b"new\n", 1).expect("fits");
        let found = names(&mut spool);
        assert_eq!((found.len(), found.last().map(String::as_str)), (events + 1, Some("new")));
    }
}

#[test]
fn the_bound_holds_and_what_is_refused_leaves_nothing_behind() {
    let (_dir, path) = dir();
    let (mut spool, _) = Spool::open(&path, 100, Default::default()).expect("opens");
    let line = [b'x'; 40];
    let line = [&line[..], b"\n"].concat();
    spool.append(&line, 1).expect("fits");
    let error = spool.append(&[line.clone(), line.clone()].concat(), 2).expect_err("too much");
    assert!(error.to_string().contains("is full: it holds 64 of 100 bytes"), "{error}");
    assert_eq!((spool.events(), names(&mut spool).len()), (1, 1));
    assert!(fs::metadata(&path).expect("there").len() <= 100);
}

#[test]
fn a_file_of_something_else_is_not_touched() {
    let (dir, path) = dir();
    let error = |path: &Path| {
        Spool::open(path, LIMIT, Default::default()).expect_err("refused").to_string()
    };
    for text in ["root:x:0:0\n", "{\"a\":1}\n", "x"] {
        fs::write(&path, text).expect("writes");
        assert!(error(&path).contains("is no spool"), "{}", error(&path));
        assert_eq!(fs::read_to_string(&path).expect("reads"), text);
    }
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&path, &link).expect("links");
    assert!(error(&link).contains("symbolic link"), "{}", error(&link));
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    assert!(error(&fifo).contains("no regular file"), "{}", error(&fifo));
    assert!(error(Path::new("/nonexistent/spool")).contains("cannot open the spool"));
}

#[test]
fn only_one_has_it() {
    let (_dir, path) = dir();
    let first = open(&path);
    let error = Spool::open(&path, LIMIT, Default::default()).expect_err("in use");
    assert!(matches!(error, SpoolError::InUse { .. }), "{error}");
    drop(first);
    open(&path);
}

#[test]
fn long_lines_are_read_whole() {
    let (_dir, path) = dir();
    let mut spool = open(&path);
    let lines = ["a".repeat(300_000), "b".repeat(900_000), "c".into()];
    for line in &lines {
        spool.append(format!("{line}\n").as_bytes(), 1).expect("fits");
    }
    drop(spool);
    assert_eq!(names(&mut open(&path)), lines);
}

proptest! {
    /// Appending, answering, marking and coming back after the process died, in any order: the model is a queue.
    #[test]
    fn it_is_a_queue_that_survives_its_process(steps in proptest::collection::vec(0_u8..5, 1..60)) {
        let (_dir, path) = dir();
        let mut spool = open(&path);
        let mut queue: Vec<String> = Vec::new();
        // What was read, with its ends; what of that is answered; and what of it a mark says.
        let (mut read, mut next, mut marked) = (Vec::<(String, u64)>::new(), 0, 0);
        for step in steps {
            match step {
                0 => {
                    queue.push(format!("event-{next}"));
                    spool.append(format!("event-{next}\n").as_bytes(), 1).expect("fits");
                    next += 1;
                }
                1 => read.extend(rest(&mut spool)),
                2 if !read.is_empty() => {
                    let (line, end) = read.remove(0);
                    prop_assert_eq!(&line, &queue[marked]);
                    marked += 1;
                    spool.answered(end, 1).expect("noted");
                    if marked == queue.len() {
                        (queue, marked) = (Vec::new(), 0);
                    }
                }
                3 => {
                    spool.mark().expect("marked");
                    queue.drain(..marked);
                    marked = 0;
                }
                4 => {
                    drop(spool);
                    spool = open(&path);
                    read.clear();
                    marked = 0;
                }
                _ => {}
            }
            prop_assert_eq!(spool.events() as usize, queue.len() - marked);
        }
        drop(spool);
        prop_assert_eq!(names(&mut open(&path)), queue);
    }
}
