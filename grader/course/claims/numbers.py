"""Claims about what the numbers of a program go through: precisions and denominators."""

from __future__ import annotations

from dataclasses import dataclass

from grader.course.claims.proof import Broken, Proof, inside_of


@dataclass(frozen=True)
class Precision(Proof):
    """With half-precision inputs, no product of matrices, exponential or running sum is in half precision, nor is a
    score rounded to it before it is exponentiated, or a sum before it is added to."""

    def measure(self, sizes):
        return dict(of="precision")

    def judge(self, facts):
        (fact,) = facts
        if not fact["by"]:
            return None
        if fact["rounded"]:
            return Broken(
                f"{fact['rounded']} {fact['dtype']}",
                f"{self.rule} `{fact['by']}` takes a {fact['rounded']} that was rounded to "
                f"{fact['dtype']}{inside_of(fact)}.",
                "What a loop carries, or a kernel keeps, from one block to the next stays in float32; only the output "
                "is cast, at the end.",
                fact["line"],
            )
        return Broken(
            f"{fact['by']} {fact['dtype']}",
            f"{self.rule} `{fact['by']}` gives {fact['dtype']}{inside_of(fact)}.",
            "Ask for it: `preferred_element_type=jnp.float32` in a product, `.astype(jnp.float32)` before an "
            "exponential or a sum.",
            fact["line"],
        )


@dataclass(frozen=True)
class Denominators(Proof):
    """With half-precision inputs, what each norm (`within` "norms") or each softmax ("softmax") divides by is computed
    in float32: neither what is added up, nor the sum or its root, is in half precision or was rounded to it. Products
    of matrices and activations may be. It is about the programs of all its cases."""

    within: str = "norms"

    def measure(self, sizes):
        return dict(of="denominators", within=self.within)

    def judge(self, facts):
        fact = next((fact for fact in facts if fact["by"]), None)
        if fact is None:
            return None
        does = (
            f"takes a {fact['rounded']} that was rounded to {fact['dtype']}"
            if fact["rounded"]
            else f"gives {fact['dtype']}"
        )
        return Broken(
            f"{self.within} {fact['dtype']}",
            f"{self.rule} `{fact['by']}` {does}{inside_of(fact)}.",
            "Cast what goes in, `.astype(jnp.float32)`, and cast the result back at the end; `jnp.mean` and `jnp.sum` "
            "round what they give to the type of what they got.",
            fact["line"],
        )
