//! The feed, without a writer and an index.

use super::*;

fn lines(first: u64, next: u64, bytes: usize) -> (u64, Followed) {
    (first, Followed { lines: Written::of(&vec![b'x'; bytes]), next })
}

fn publish(feed: &Feed, (first, lines): (u64, Followed)) {
    feed.publish(first, lines);
}

fn describe(work: Work) -> String {
    match work {
        Work::Fresh(lines) => format!("fresh to {}", lines.next),
        Work::Read(to) => format!("read to {to}"),
        Work::Segments => "segments".into(),
        Work::Fields(_) => "fields".into(),
        Work::Reset => "reset".into(),
        Work::Prune => "prune".into(),
        Work::Look => "look".into(),
        Work::Rest => "rest".into(),
        Work::Close => "close".into(),
    }
}

#[test]
fn lines_without_room_are_read_from_the_segments_and_the_next_ones_are_fresh_again() {
    let feed = Feed::new(100, 0);
    assert_eq!(describe(feed.wait(0, None, None)), "segments");
    publish(&feed, lines(0, 5, 80));
    publish(&feed, lines(5, 9, 80));
    assert_eq!(describe(feed.wait(0, None, None)), "fresh to 5");
    publish(&feed, lines(9, 12, 80));
    assert_eq!(describe(feed.wait(5, None, None)), "read to 9");
    assert_eq!(describe(feed.wait(9, None, None)), "fresh to 12");
    feed.close(Duration::from_secs(60));
    assert_eq!(describe(feed.wait(12, None, None)), "close");
}

#[test]
fn a_step_waits_for_fresh_lines_but_not_for_ever_and_not_at_the_end() {
    let feed = Feed::new(100, 0);
    feed.wait(0, None, None);
    publish(&feed, lines(0, 5, 10));
    feed.prune_now();
    assert_eq!(describe(feed.wait(0, None, None)), "fresh to 5");
    assert_eq!(describe(feed.wait(5, None, None)), "prune");
    publish(&feed, lines(5, 6, 10));
    feed.prune_now();
    feed.lock().step.as_mut().expect("there is one").overdue = Instant::now();
    assert_eq!(describe(feed.wait(5, None, None)), "prune");
    assert_eq!(describe(feed.wait(5, None, None)), "fresh to 6");
    feed.prune_now();
    feed.close(Duration::from_secs(60));
    assert_eq!(describe(feed.wait(6, None, None)), "close");
}

#[test]
fn a_rest_comes_when_there_is_nothing_else_to_do() {
    let feed = Feed::new(100, 0);
    let now = Some(Instant::now());
    publish(&feed, lines(0, 5, 10));
    for (next, want) in [(0, "segments"), (0, "fresh to 5"), (5, "rest")] {
        assert_eq!(describe(feed.wait(next, now, None)), want);
    }
}

#[test]
fn lines_that_are_not_yet_worth_a_transaction_wait_until_they_are() {
    let feed = Feed::new(100, 0);
    feed.wait(0, None, None);
    let (now, later) = (Instant::now(), Instant::now() + Duration::from_secs(60));
    publish(&feed, lines(0, 5, 10));
    let pace = |due, enough| Some(Pace { due, enough });
    assert_eq!(describe(feed.wait(0, Some(now), pace(later, 6))), "rest");
    assert_eq!(describe(feed.wait(0, Some(now), pace(later, 5))), "fresh to 5");
    publish(&feed, lines(5, 6, 10));
    assert_eq!(describe(feed.wait(5, Some(now), pace(now, 9))), "fresh to 6");
    publish(&feed, lines(6, 7, 10));
    feed.close(Duration::from_secs(60));
    assert_eq!(describe(feed.wait(6, None, pace(later, 9))), "fresh to 7");
}

#[test]
fn who_waits_for_enough_lines_is_woken_by_them() {
    let feed = Arc::new(Feed::new(100, 0));
    feed.wait(0, None, None);
    publish(&feed, lines(0, 1, 10));
    let later = Instant::now() + Duration::from_secs(3600);
    let waiter = std::thread::spawn({
        let feed = feed.clone();
        move || describe(feed.wait(0, None, Some(Pace { due: later, enough: 3 })))
    });
    publish(&feed, lines(1, 2, 10));
    publish(&feed, lines(2, 3, 10));
    assert_eq!(waiter.join().expect("ends"), "fresh to 1");
}

#[test]
fn who_reads_for_long_is_called_for_what_comes_first_and_not_for_lines() {
    let feed = Feed::new(100, 0);
    assert!(feed.is_called(), "the segments are to be listed");
    feed.wait(0, None, None);
    publish(&feed, lines(0, 5, 10));
    assert!(!feed.is_called());
    feed.prune_now();
    assert!(!feed.is_called(), "there is time yet");
    feed.lock().step.as_mut().expect("there is one").overdue = Instant::now();
    assert!(feed.is_called());
    assert_eq!(describe(feed.wait(0, None, None)), "prune");
    feed.request_reset();
    assert!(feed.is_called());
    assert_eq!(describe(feed.wait(0, None, None)), "reset");
    feed.close(Duration::from_secs(60));
    assert!(!feed.is_called(), "what is durable comes first");
    feed.close(Duration::ZERO);
    assert!(feed.is_called());
}

#[test]
fn a_burst_is_given_way_until_it_is_over_or_something_else_is_to_be_done() {
    let feed = Arc::new(Feed::new(100, 0));
    feed.wait(0, None, None);
    let long = Duration::from_secs(3600);
    feed.give_way(long);
    feed.note_burst();
    feed.give_way(long);
    assert!(feed.lock().burst_ends <= Some(Instant::now()), "it was over before");
    // One that does not end.
    feed.lock().burst_ends = Some(Instant::now() + long);
    let time = Duration::from_millis(20);
    let began = Instant::now();
    feed.give_way(time);
    assert!(began.elapsed() >= time);
    let index = std::thread::spawn({
        let feed = feed.clone();
        move || feed.give_way(long)
    });
    publish(&feed, lines(0, 5, 10));
    assert!(!index.is_finished(), "lines are no reason");
    feed.segments_changed();
    index.join().expect("ends");
}

#[test]
fn closing_lets_the_index_finish_first_and_a_deadline_ends_it() {
    let feed = Feed::new(100, 0);
    feed.wait(0, None, None);
    publish(&feed, lines(0, 5, 10));
    feed.close(Duration::from_secs(60));
    assert_eq!(describe(feed.wait(0, None, None)), "fresh to 5");
    publish(&feed, lines(5, 6, 10));
    feed.close(Duration::ZERO);
    assert_eq!(describe(feed.wait(5, None, None)), "close");
}
