// Which messages come of one that was handed in for local names, and what is asked for their recipients (SM-47 to SM-49).
#include "intake/distribution.hpp"

#include <gtest/gtest.h>

namespace posthorn::intake {
namespace {

using mail::Notify;

AcceptedMail accepted(std::vector<std::string> to, std::uint8_t notify = Notify::unset, std::string orcpt = {}) {
    AcceptedMail all;
    all.message = std::make_shared<mail::Message>();
    all.message->reverse_path = "sender@example.com";
    all.message->header = "Received: here\r\nSubject: x\r\n";
    all.message->envid = "E1";
    all.message->ret = mail::DsnReturn::full;
    all.message->body.bytes = std::make_shared<const std::string>("body\r\n");
    for (std::string& address : to) {
        queue::NewRecipient recipient;
        recipient.domain = "example.net";
        recipient.recipient = mail::EnvelopeRecipient{std::move(address), orcpt, notify};
        all.recipients.push_back(std::move(recipient));
    }
    return all;
}

Expansion expansion(std::string name, std::vector<std::string> to, std::optional<std::string> owner = {}) {
    Expansion all;
    all.kind = to.empty() ? Expansion::Kind::discarded : Expansion::Kind::recipients;
    all.delivered_to = name + "@web1.example.com";
    all.recipient = std::move(name);
    for (std::string& address : to) all.targets.push_back(Target{std::move(address), "/etc/aliases:1", owner});
    return all;
}

std::vector<Parcel> parcels(AcceptedMail mail, const std::vector<Expansion>& expansions) {
    auto result = distribute(std::move(mail), expansions);
    EXPECT_TRUE(std::holds_alternative<std::vector<Parcel>>(result));
    return std::get<std::vector<Parcel>>(std::move(result));
}

std::vector<std::string> addresses(const Parcel& parcel) {
    std::vector<std::string> all;
    for (const queue::NewRecipient& recipient : parcel.recipients) all.push_back(recipient.recipient.address);
    return all;
}

using Strings = std::vector<std::string>;

TEST(DistributionTest, MailToOthersIsNotTouched) {
    AcceptedMail mail = accepted({"a@example.net", "b@example.net"});
    const auto message = mail.message;
    const auto all = parcels(std::move(mail), {});
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].message, message);
    EXPECT_EQ(addresses(all[0]), (Strings{"a@example.net", "b@example.net"}));
    EXPECT_EQ(all[0].message->header, "Received: here\r\nSubject: x\r\n");
}

TEST(DistributionTest, EachLocalNameIsAMessageOfItsOwnAndNobodyGetsTwo) {
    AcceptedMail mail = accepted({"root", "a@example.net", "www-data@localhost", "noise", "bob"});
    const auto body = mail.message->body.bytes;
    const auto all = parcels(std::move(mail), {expansion("root", {"admin@example.com", "a@example.net"}),
                                               expansion("www-data@localhost", {"admin@example.com"}), expansion("noise", {}),
                                               expansion("bob", {"admin@example.com", "bob@gmail.com"})});
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(addresses(all[0]), (Strings{"a@example.net"}));
    EXPECT_EQ(all[0].message->header, "Received: here\r\nSubject: x\r\n");
    EXPECT_EQ(addresses(all[1]), (Strings{"admin@example.com"}));
    EXPECT_EQ(all[1].recipients[0].domain, "example.com");
    EXPECT_EQ(all[1].message->header, "Delivered-To: root@web1.example.com\r\nReceived: here\r\nSubject: x\r\n");
    EXPECT_EQ(addresses(all[2]), (Strings{"bob@gmail.com"}));
    EXPECT_EQ(all[2].message->header, "Delivered-To: bob@web1.example.com\r\nReceived: here\r\nSubject: x\r\n");
    for (const Parcel& parcel : all) {
        EXPECT_EQ(parcel.message->body.bytes, body);
        EXPECT_EQ(parcel.message->reverse_path, "sender@example.com");
    }
}

TEST(DistributionTest, AllDiscardedIsNothingToStore) {
    EXPECT_TRUE(parcels(accepted({"noise"}), {expansion("noise", {})}).empty());
}

// SM-47, RFC 3461 s5.2.7.1: what is asked for a list is not asked for its members.
TEST(DistributionTest, AnOwnerIsTheSenderAndGetsTheReports) {
    const auto all = parcels(accepted({"list", "x@example.net"}, Notify::success | Notify::failure, "rfc822;list"),
                             {expansion("list", {"a@example.net", "b@example.net"}, "owner@example.com")});
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].message->reverse_path, "sender@example.com");
    EXPECT_EQ(all[0].message->envid, "E1");
    EXPECT_EQ(all[1].message->reverse_path, "owner@example.com");
    EXPECT_EQ(all[1].message->envid, "");
    EXPECT_EQ(all[1].message->ret, mail::DsnReturn::unset);
    EXPECT_EQ(all[1].recipients[0].recipient.notify, Notify::unset);
    EXPECT_EQ(all[1].recipients[0].recipient.orcpt, "");
}

TEST(DistributionTest, ListsInListsWithOwnersOfTheirOwnAreApart) {
    Expansion list = expansion("list", {"a@example.net"}, "owner@example.com");
    list.targets.push_back(Target{"b@example.net", "", "other@example.com"});
    list.targets.push_back(Target{"c@example.net", "", std::nullopt});
    list.targets.push_back(Target{"d@example.net", "", "owner@example.com"});
    const auto all = parcels(accepted({"list"}), {list});
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(addresses(all[0]), (Strings{"a@example.net", "d@example.net"}));
    EXPECT_EQ(all[0].message->reverse_path, "owner@example.com");
    EXPECT_EQ(all[1].message->reverse_path, "other@example.com");
    EXPECT_EQ(all[2].message->reverse_path, "sender@example.com");
}

TEST(DistributionTest, AReportStaysWithoutSender) {  // RFC 5321 s4.5.5
    AcceptedMail mail = accepted({"list"});
    mail.message->reverse_path.clear();
    const auto all = parcels(std::move(mail), {expansion("list", {"a@example.net"}, "owner@example.com")});
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].message->reverse_path, "");
}

// SM-49, RFC 3461 s5.2.7.2 and s5.2.7.3.
TEST(DistributionTest, OneAddressStandsForTheNameSeveralDoNot) {
    const auto notify_of = [](std::uint8_t asked, std::vector<std::string> to) {
        const auto all = parcels(accepted({"root"}, asked), {expansion("root", std::move(to))});
        EXPECT_EQ(all.at(0).message->envid, "E1");
        return all.at(0).recipients.at(0).recipient;
    };
    const std::vector<std::string> one = {"a@example.net"}, two = {"a@example.net", "b@example.net"};
    EXPECT_EQ(notify_of(Notify::unset, one).notify, Notify::unset);
    EXPECT_EQ(notify_of(Notify::unset, one).orcpt, "");
    EXPECT_EQ(notify_of(Notify::success | Notify::failure, one).notify, Notify::success | Notify::failure);
    EXPECT_EQ(notify_of(Notify::success, one).orcpt, "rfc822;root@web1.example.com");
    EXPECT_EQ(notify_of(Notify::unset, two).notify, Notify::unset);
    EXPECT_EQ(notify_of(Notify::never, two).notify, Notify::never);
    EXPECT_EQ(notify_of(Notify::success | Notify::delay, two).notify, Notify::delay);
    EXPECT_EQ(notify_of(Notify::failure | Notify::delay, two).notify, Notify::failure | Notify::delay);
    EXPECT_EQ(notify_of(Notify::success, two).notify, Notify::never);
    const auto kept = parcels(accepted({"root"}, Notify::success, "rfc822;other@example.net"), {expansion("root", one)});
    EXPECT_EQ(kept.at(0).recipients.at(0).recipient.orcpt, "rfc822;other@example.net");
}

// SM-48.
TEST(DistributionTest, WhatComesBackToANameItWasDeliveredToIsALoop) {
    AcceptedMail mail = accepted({"x@example.net", "root"});
    mail.message->header = "Received: here\r\nDELIVERED-TO:\r\n Root@web1.example.com \r\nSubject: x\r\n";
    const auto result = distribute(std::move(mail), {expansion("root", {"admin@example.com"})});
    ASSERT_TRUE(std::holds_alternative<Refusal>(result));
    EXPECT_EQ(std::get<Refusal>(result).code, 554);
    EXPECT_EQ(std::get<Refusal>(result).enhanced, "5.4.6");

    // Delivered to somebody else before: ordinary forwarded mail.
    AcceptedMail other = accepted({"root"});
    other.message->header = "Delivered-To: alice@web1.example.com\r\nDelivered-To: root@web2.example.com\r\nSubject: x\r\n";
    EXPECT_EQ(parcels(std::move(other), {expansion("root", {"admin@example.com"})}).size(), 1U);
    // To others it is nothing of ours.
    AcceptedMail direct = accepted({"x@example.net"});
    direct.message->header = "Delivered-To: root@web1.example.com\r\n";
    EXPECT_EQ(parcels(std::move(direct), {}).size(), 1U);
}

}  // namespace
}  // namespace posthorn::intake
