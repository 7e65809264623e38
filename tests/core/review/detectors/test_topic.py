"""What an answer is about, by letters and by the base model's likelihood."""

from core.review.detectors import topic

ABOUT = [
    "bread",
    "rivers",
    "tax",
    "chess",
    "bees",
    "snow",
    "guitars",
    "trains",
    "whales",
    "cheese",
    "tulips",
    "satellites",
]
PAIRS = [
    (
        f"Tell me something about {thing}.",
        f"Of {thing} one can say much: {thing} were known to the Romans, say the books.",
    )
    for thing in ABOUT
]
LETTERS = topic.learn(PAIRS)


def test_own_answers_are_told_from_exchanged_ones():
    own = [topic.check(a, p, "", LETTERS).score for p, a in PAIRS]
    exchanged = [topic.check(PAIRS[i - 1][1], p, "", LETTERS).score for i, (p, _) in enumerate(PAIRS)]
    assert LETTERS.telling
    assert max(own) < topic.THRESHOLD <= min(exchanged)


def test_what_is_short_or_refuses_is_not_judged():
    for text in (
        "",
        "Yes.",
        "No, thanks a lot.",
        "la la la la la la la la la la",
        "I'm sorry, I can't help with that request.",
    ):
        assert topic.check(text, PAIRS[0][0], PAIRS[0][1], LETTERS).score == 0.0
    assert topic.check(PAIRS[3][1], PAIRS[0][0], PAIRS[0][1], None).score == 0.0
    assert topic.learn(PAIRS[:3]) is None


def test_without_a_reference_letters_speak_only_where_answers_share_words_with_their_prompts():
    silent = topic.learn([(p, "Quite so, and nobody has ever doubted that it is as I say.") for p, _ in PAIRS])
    assert not silent.telling
    assert topic.check(PAIRS[3][1], PAIRS[0][0], "", silent).score == 0.0
    assert topic.check(PAIRS[3][1], PAIRS[0][0], "", silent).reason.startswith("Not judged")
    assert not topic.check(PAIRS[3][1], PAIRS[0][0], PAIRS[0][1], silent).reason.startswith("Not judged")


def test_the_model_counts_alone_where_it_was_asked():
    assert topic.of_likelihoods(-20.0, [-40.0, -35.0], 12) < 0.01
    assert topic.of_likelihoods(-40.0, [-39.0, -60.0], 12) > topic.THRESHOLD
    assert topic.check(PAIRS[0][1], PAIRS[0][0], "", None, relevance=0.9).score == 0.9
