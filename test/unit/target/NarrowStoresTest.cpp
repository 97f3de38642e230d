// Stores of PTX of less than a register: each gets a conversion, all other lines stay as they are.
#include "lib/Target/NarrowStores.h"
#include <gtest/gtest.h>

namespace tenon {
namespace {

TEST(NarrowStores, TheLowByteOfAWordIsConverted) {
  EXPECT_EQ(convertBeforeNarrowStores("\tadd.rn.f32 \t%r7, %r6, 0f4B400000;\n\tst.global.b8 \t[%rd66], %r7;\n\tret;\n"),
            "\tadd.rn.f32 \t%r7, %r6, 0f4B400000;\n"
            "\t{ .reg .b16 narrow0; cvt.u16.u32 narrow0, %r7; st.global.b8 \t[%rd66], narrow0; }\n\tret;\n");
}

TEST(NarrowStores, HalvesOfWordsAndWordsOfLongOnes) {
  EXPECT_EQ(convertBeforeNarrowStores("\tst.shared.b16 \t[%r3+4], %r12;\n"),
            "\t{ .reg .b16 narrow0; cvt.u16.u32 narrow0, %r12; st.shared.b16 \t[%r3+4], narrow0; }\n");
  EXPECT_EQ(convertBeforeNarrowStores("\tst.global.b32 \t[%rd1], %rd2;\n"),
            "\t{ .reg .b32 narrow0; cvt.u32.u64 narrow0, %rd2; st.global.b32 \t[%rd1], narrow0; }\n");
}

TEST(NarrowStores, OfAListOnlyWhatIsWider) {
  EXPECT_EQ(convertBeforeNarrowStores("\tst.global.v2.b8 \t[%rd1], {%rs4, %r5};\n"),
            "\t{ .reg .b16 narrow1; cvt.u16.u32 narrow1, %r5; st.global.v2.b8 \t[%rd1], {%rs4, narrow1}; }\n");
}

TEST(NarrowStores, OtherLinesStay) {
  for (const char *text :
       {"\tst.global.b8 \t[%rd66], %rs1;\n", "\tst.global.v4.b32 \t[%rd1], {%r1, %r2, %r3, %r4};\n", "\tst.global.b64 \t[%rd1], %rd2;\n",
        "\tst.global.b8 \t[%rd1], 0;\n", "\tst.param.b32 \t[param0], %r1;\n", "\tld.global.b8 \t%r1, [%rd1];\n",
        "\tst.shared.v2.b32 [%r198], {%r280, %r281};\n", "\t{ .reg .pred p; st.shared.b16 [%r1], %r2; }\n", "\tret;", "\n", ""})
    EXPECT_EQ(convertBeforeNarrowStores(text), text);
}

} // namespace
} // namespace tenon
