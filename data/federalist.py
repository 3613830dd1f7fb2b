"""Counts the words of the Federalist Papers: `python data/federalist.py pg18.txt > data/federalist.txt`.

Needs scikit-learn 1.9.1 for its list of English stop words, and Project Gutenberg's ebook 18 as plain text.
"""

import re
import sys
from collections import Counter

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

text = open(sys.argv[1], encoding="utf-8-sig", newline=None).read()
text = text[text.index("*** START") : text.index("*** END")]
papers = re.split(r"\nTo the People of the State of New York", text)[1:]
# Of the two versions of No. 70 the second, which is the Avalon Project's too.
papers = papers[:69] + papers[70:]
assert len(papers) == 85


def words(paper):
    """Without the signature and the notes below it, marks of notes, and 's."""
    paper = paper[: re.search(r"\n\s*PUBLIUS", paper).start()]
    paper = re.sub(r"\[\d+\]", "", paper).replace("’", "'").lower()
    return re.findall("[a-z]+", re.sub(r"'s\b", "", paper))


counts = [Counter(words(paper)) for paper in papers]
total, spread = sum(counts, Counter()), Counter(word for count in counts for word in count)
print(f"{sum(total.values())} words in all", file=sys.stderr)


def is_kept(word):
    return len(word) >= 3 and word not in ENGLISH_STOP_WORDS and total[word] >= 30 and 5 <= spread[word] <= 42


for word in sorted(filter(is_kept, total)):
    places = [(number, count[word]) for number, count in enumerate(counts, 1) if word in count]
    print(word, *(f"{number}:{n}" if n > 1 else number for number, n in places))
