# gush_embed_file(TARGET FILE HEADER SYMBOL)
#   makes FILE a part of TARGET: #include "HEADER" (a path under the build folder's "embedded") gives
#       extern const unsigned char SYMBOL[];
#       extern const size_t SYMBOL_n;
#   Changing FILE rebuilds it. This file is also the script that does the work at build time.

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
    file(READ ${FILE} bytes HEX)
    string(LENGTH "${bytes}" digits)
    math(EXPR size "${digits} / 2")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," array "${bytes}")
    # 20 bytes a line: some tools dislike lines of a hundred thousand characters
    string(REPEAT "0x[0-9a-f][0-9a-f]," 20 line)
    string(REGEX REPLACE "(${line})" "\\1\n" array "${array}")
    file(WRITE ${HEADER} "#include <stddef.h>\n\n"
        "extern const unsigned char ${SYMBOL}[];\nextern const size_t ${SYMBOL}_n;\n")
    file(WRITE ${SOURCE} "#include \"${HEADER}\"\n\n"
        "const size_t ${SYMBOL}_n = ${size};\nconst unsigned char ${SYMBOL}[] = {\n${array}0};\n")
    return()
endif()

set(GUSH_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

function(gush_embed_file target file header symbol)
    set(root ${CMAKE_BINARY_DIR}/embedded)
    string(REGEX REPLACE "\\.h$" ".c" source ${root}/${header})
    add_custom_command(
        OUTPUT ${root}/${header} ${source}
        COMMAND ${CMAKE_COMMAND} -DFILE=${file} -DHEADER=${root}/${header} -DSOURCE=${source}
                -DSYMBOL=${symbol} -P ${GUSH_EMBED_SCRIPT}
        DEPENDS ${file} ${GUSH_EMBED_SCRIPT}
        VERBATIM)
    target_sources(${target} PRIVATE ${source} ${root}/${header})
    target_include_directories(${target} PRIVATE ${root})
endfunction()
