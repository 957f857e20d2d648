"""Interpolated modified Kneser-Ney smoothing (Chen and Goodman 1999, section 3), as it is written down.

p(w|h) = max(c(hw) - D(c(hw)), 0) / c(h·) + (D1 N1(h·) + D2 N2(h·) + D3+ N3+(h·)) / c(h·) p(w|h')

In the highest order, and where h starts a sentence, c counts occurrences; else left neighbours.
"""

import math
from collections import Counter, defaultdict


class KneserNey:
    def __init__(self, sentences, order):
        self.order = order
        self.counts = [Counter() for _ in range(order)]  # by length - 1
        for gram in self._grams(sentences):
            self.counts[len(gram) - 1][gram] += 1
        for longer, shorter in zip(self.counts[:0:-1], self.counts[-2::-1], strict=True):
            shorter.update(gram[1:] for gram in longer)
        self.discounts = [self._discounts(Counter(counts.values())) for counts in self.counts]
        self.histories = [defaultdict(lambda: [0, 0.0]) for _ in range(order)]
        for counts, discounts, histories in zip(
            self.counts, self.discounts, self.histories, strict=True
        ):
            for gram, count in counts.items():
                history = histories[gram[:-1]]
                history[0] += count
                history[1] += discounts[min(count, 3)]

    def _grams(self, sentences):
        for words in sentences:
            row = ("<s>", *words, "</s>")
            for end in range(2, len(row) + 1):
                yield row[max(0, end - self.order) : end]

    @staticmethod
    def _discounts(n):
        y = n[1] / (n[1] + 2 * n[2])
        return (0, *(k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)))

    def probability(self, gram):
        p = 1 / len(self.counts[0])
        for length in range(1, len(gram) + 1):
            part = gram[-length:]
            history = self.histories[length - 1].get(part[:-1])
            if history is None:
                break
            count = self.counts[length - 1][part]
            discount = self.discounts[length - 1][min(count, 3)]
            p = (count - discount + history[1] * p) / history[0]
        return p

    def perplexity(self, sentences):
        costs = [-math.log(self.probability(gram)) for gram in self._grams(sentences)]
        return math.exp(sum(costs) / len(costs))
